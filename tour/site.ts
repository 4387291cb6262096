import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { controlledForge } from '../sim/forge-control.ts'
import type { SimForge } from '../sim/forge.ts'
import { newSigningKey } from '../src/secrets/signing.ts'
import { yamlDocument } from '../src/core/manifest.ts'
import { startChild, type Child } from './child.ts'

/** How much faster the simulated machines are than real ones; the tour's own programs run at their own pace. */
const SPEED = 60
export const REPOSITORY = 'house/homelab'
const run = promisify(execFile)

export interface SiteOptions {
  readonly forge: 'github' | 'gitlab'
  readonly folder: string
  /** Port of the app; 0 takes a free one. */
  readonly port: number
}

/** Everything that runs during the tour, each as a process of its own on loopback. */
export interface Site {
  readonly forge: SimForge
  readonly folder: string
  readonly appUrl: string
  readonly lanControl: string
  readonly mirror: string
  runner: Child
  readonly children: readonly Child[]
  startRunner(): Promise<Child>
  /** Asks the simulated LAN something. */
  lan<T>(call: Readonly<Record<string, unknown>>): Promise<T>
  environment: Readonly<Record<string, string>>
  close(): Promise<void>
}

export async function openSite(
  options: SiteOptions,
  root: string,
  files: Readonly<Record<string, string>>,
): Promise<Site> {
  const { folder } = options
  mkdirSync(join(folder, 'log'), { recursive: true, mode: 0o700 })
  const children: Child[] = []
  const start = async (
    name: string,
    script: readonly string[],
    more: { readonly env?: Readonly<Record<string, string>>; readonly until?: RegExp } = {},
  ): Promise<Child> => {
    const child = await startChild(
      name,
      script.map((part, i) => (i === 0 ? join(root, part) : part)),
      { log: join(folder, 'log', `${name}.log`), ...more },
    )
    children.push(child)
    return child
  }
  const close = async (): Promise<void> => {
    await Promise.all([...children].reverse().map((child) => child.stop()))
  }
  try {
    const [forgeChild, lanChild] = await Promise.all([
      start(options.forge, [`sim/${options.forge}/main.ts`, '--speed', '10']),
      start('lan', ['sim/lan-world/main.ts', '--speed', String(SPEED)]),
    ])
    const [proxmox, forge] = await Promise.all([
      start('proxmox', [
        'sim/proxmox/main.ts',
        '--machines',
        lanChild.ready['machines'] ?? '',
        '--speed',
        String(SPEED),
      ]),
      controlledForge(forgeChild.ready['controlUrl'] ?? ''),
    ])
    await forge.createUser('ada')
    await forge.createUser('mallory')
    await forge.createRepo(REPOSITORY, files)
    await forge.grant(REPOSITORY, 'ada', 'write')

    const port = await freePort(options.port)
    const appUrl = `http://127.0.0.1:${port}`
    const environment = {
      ...(await appEnvironment(forge, folder)),
      SLIPWAY_PUBLIC_URL: appUrl,
      SLIPWAY_LISTEN: `127.0.0.1:${port}`,
      SLIPWAY_DATABASE: join(folder, 'slipway.sqlite'),
    }
    await start('app', ['bin/slipway.js', 'serve'], { env: environment, until: /listening/ })
    const credentials = await forge.credentials()
    await forge.setWebhook(`${appUrl}/webhooks/${options.forge}`, credentials.webhookSecret)

    const slipway = async (...args: readonly string[]): Promise<string> =>
      (
        await run(process.execPath, [join(root, 'bin/slipway.js'), ...args], {
          env: { ...process.env, ...environment },
          cwd: folder,
        })
      ).stdout
    const token = JSON.parse(await slipway('token', 'create', '--repo', REPOSITORY, '--json')) as {
      readonly token: string
    }
    writeFileSync(join(folder, 'token'), token.token, { mode: 0o600 })
    writeFileSync(join(folder, 'proxmox-token'), (proxmox.ready['authorization'] ?? '').replace(/^PVEAPIToken=/, ''), {
      mode: 0o600,
    })
    const runnerYaml = join(folder, 'runner.yaml')
    writeFileSync(
      runnerYaml,
      yamlDocument(runnerConfig(appUrl, lanChild.ready['socks'] ?? '', proxmox.ready, join(root, 'sim/helm/helm.js'))),
      { mode: 0o600 },
    )
    await slipway(
      'runner',
      'enroll',
      '--config',
      runnerYaml,
      '--app',
      appUrl,
      '--name',
      'closet',
      '--token-file',
      join(folder, 'token'),
    )
    const startRunner = (): Promise<Child> =>
      start('runner', ['bin/slipway.js', 'runner', 'start', '--config', runnerYaml], {
        env: { SLIPWAY_HOME: folder },
        until: /asks .* for work/,
      })

    const lanControl = lanChild.ready['control'] ?? ''
    return {
      forge,
      folder,
      appUrl,
      lanControl,
      mirror: lanChild.ready['mirrorOnLan'] ?? '',
      runner: await startRunner(),
      children,
      startRunner,
      environment,
      async lan<T>(call: Readonly<Record<string, unknown>>) {
        const answer = (await (await fetch(lanControl, { method: 'POST', body: JSON.stringify(call) })).json()) as {
          readonly result?: T
          readonly error?: string
        }
        if (answer.error !== undefined) throw new Error(answer.error)
        return answer.result as T
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The app's settings; secrets go by files, as they should at home. */
async function appEnvironment(forge: SimForge, folder: string): Promise<Readonly<Record<string, string>>> {
  const secret = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const credentials = await forge.credentials()
  const signing = { SLIPWAY_SIGNING_KEY_FILE: secret('signing-key.pem', await newSigningKey()) }
  if (credentials.kind === 'github')
    return {
      ...signing,
      SLIPWAY_GITHUB_APP_ID: String(credentials.appId),
      SLIPWAY_GITHUB_API_URL: credentials.apiUrl,
      SLIPWAY_GITHUB_PRIVATE_KEY_FILE: secret('github.pem', credentials.privateKeyPem),
      SLIPWAY_GITHUB_WEBHOOK_SECRET_FILE: secret('webhook-secret', credentials.webhookSecret),
    }
  return {
    ...signing,
    SLIPWAY_GITLAB_URL: credentials.url,
    SLIPWAY_GITLAB_TOKEN_FILE: secret('gitlab-token', credentials.token),
    SLIPWAY_GITLAB_WEBHOOK_SECRET_FILE: secret('webhook-secret', credentials.webhookSecret),
    SLIPWAY_GITLAB_KNOWN_HOSTS: forge.knownHosts.trim(),
  }
}

function runnerConfig(
  app: string,
  socks: string,
  proxmox: Readonly<Record<string, string>>,
  helm: string,
): Readonly<Record<string, unknown>> {
  return {
    app,
    state: 'state',
    proxy: socks,
    repositories: [REPOSITORY],
    clusters: ['home'],
    connections: {
      lab: {
        kind: 'proxmox',
        url: proxmox['url'],
        tokenFile: 'proxmox-token',
        tls: { check: 'fingerprint', sha256: proxmox['fingerprint'] },
      },
    },
    allow: {
      vmids: ['400-449'],
      nodes: ['pve1', 'pve2'],
      storages: ['local', 'local-lvm'],
      bridges: ['vmbr0'],
      hosts: ['10.4.0.0/24'],
      steps: 'all',
      impact: 'reboot',
      destroys: 0,
    },
    tools: { helm },
  }
}

/**
 * The wanted port when nobody listens there, or any free one for 0.
 * @throws Error in words for the person who asked for a taken port.
 */
async function freePort(wanted: number): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message
      reject(new Error(`port ${wanted} cannot be used: ${why}. Give another with --port, or leave it out.`))
    })
    server.listen(wanted, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
