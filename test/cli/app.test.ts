import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scaledClock } from '../../sim/clock.ts'
import type { SimForge } from '../../sim/forge.ts'
import { simGithub } from '../../sim/github/server.ts'
import { newSigningKey } from '../../src/secrets/signing.ts'
import { type Ran, slipway, temporaryRepository } from './console.ts'

const REPOSITORY = 'ada/homelab'
/** A local server answers within milliseconds; this is for machines that do ten things at once. */
const PATIENCE_MS = 30_000

describe('the app and its runners from the command line', () => {
  let forge: SimForge
  let place: ReturnType<typeof temporaryRepository>
  let environment: Record<string, string>
  let serving: Promise<Ran>
  let app: string
  let said = ''
  const stopping = new AbortController()
  const secrets: string[] = []

  const until = async (what: string, look: () => boolean): Promise<void> => {
    const end = Date.now() + PATIENCE_MS
    while (!look()) {
      if (Date.now() > end) throw new Error(`waited for ${what}\n${said}`)
      await sleep(20)
    }
  }
  const run = async (argv: readonly string[], options: Parameters<typeof slipway>[2] = {}): Promise<Ran> => {
    const ran = await slipway(place.folder, argv, { environment, ...options })
    said += ran.out + ran.err
    return ran
  }

  beforeAll(async () => {
    forge = await simGithub({ seed: 7, clock: scaledClock(100) })
    await forge.createUser('ada')
    await forge.createRepo(REPOSITORY, { 'README.md': '# lab\n' })
    const credentials = await forge.credentials()
    if (credentials.kind !== 'github') throw new Error('not GitHub')
    place = temporaryRepository()
    const signingKey = await newSigningKey()
    environment = {
      SLIPWAY_SIGNING_KEY: signingKey,
      SLIPWAY_DATABASE: join(place.folder, 'app.sqlite'),
      SLIPWAY_PUBLIC_URL: 'http://127.0.0.1:1',
      SLIPWAY_LISTEN: '127.0.0.1:0',
      SLIPWAY_GITHUB_APP_ID: String(credentials.appId),
      SLIPWAY_GITHUB_API_URL: credentials.apiUrl,
      SLIPWAY_GITHUB_PRIVATE_KEY: credentials.privateKeyPem,
      SLIPWAY_GITHUB_WEBHOOK_SECRET: credentials.webhookSecret,
    }
    secrets.push(signingKey.split('\n')[1]!, credentials.privateKeyPem.split('\n')[1]!, credentials.webhookSecret)
    serving = slipway(place.folder, ['serve'], {
      environment,
      interrupted: stopping.signal,
      onOut: (text) => {
        said += text
      },
    })
    await until('the app', () => /"message":"listening"/.test(said))
    app = `http://127.0.0.1:${/"port":(\d+)/.exec(said)![1]!}`
    writeFileSync(
      join(place.folder, 'runner.yaml'),
      `app: ${app}\nstate: .slipway\nrepositories: [${REPOSITORY}]\nclusters: ['*']\n`,
      { mode: 0o600 },
    )
  })
  afterAll(async () => {
    stopping.abort()
    await serving
    await forge[Symbol.asyncDispose]()
    place[Symbol.dispose]()
  })

  test('settings that are missing are named all at once, and nothing starts', async () => {
    const { status, err } = await slipway(place.folder, ['serve'], { environment: { SLIPWAY_LISTEN: 'nowhere' } })
    expect(status).toBe(1)
    for (const name of ['SLIPWAY_SIGNING_KEY', 'SLIPWAY_DATABASE', 'SLIPWAY_PUBLIC_URL', 'SLIPWAY_LISTEN'])
      expect(err).toContain(name)
  })

  test('a runner enrols with a token from a file, from the environment or from standard input', async () => {
    const token = async (): Promise<string> => {
      const made = await run(['token', 'create', '--repo', REPOSITORY])
      expect(made.status).toBe(0)
      const [line] = made.out.split('\n')
      expect(made.out).toBe(`${line}\n`)
      expect(made.err).toContain('Counts until')
      // Shown once, on purpose: it must not turn up anywhere else.
      said = said.replace(line!, '')
      secrets.push(line!)
      return line!
    }
    writeFileSync(join(place.folder, 'token'), `${await token()}\n`, { mode: 0o600 })
    const first = await run(['runner', 'enroll', '--name', 'closet', '--token-file', 'token'])
    expect(first.out).toContain(`✔ closet works for ${REPOSITORY}.`)
    expect(first.out).toMatch(/authorized_keys:\n {2}ssh-ed25519 AAAA/)
    expect(first.status).toBe(0)
    expect(await run(['runner', 'enroll', '--name', 'closet'], { input: await token() })).toMatchObject({ status: 0 })
    const variable = { ...environment, SLIPWAY_ENROLL_TOKEN: await token() }
    expect(await run(['runner', 'enroll', '--name', 'closet'], { environment: variable })).toMatchObject({ status: 0 })
    expect((await forge.deployKeys(REPOSITORY)).every(({ readOnly }) => readOnly)).toBe(true)
  })

  test('a token is refused without being repeated', async () => {
    const wrong = 'slw_0123456789012345678901'
    const { status, err } = await run(['runner', 'enroll', '--name', 'closet'], { input: wrong })
    expect(status).toBe(1)
    expect(err).toContain('token.refused')
    expect(err).not.toContain(wrong)
    expect((await run(['runner', 'enroll', '--name', 'closet'], { input: '' })).err).toContain('cli.token')
    const unknown = await run(['token', 'create', '--repo', 'ada/other'])
    expect(unknown.err).toContain(`"ada/other" is not among the repositories that the app was given: ${REPOSITORY}`)
    expect((await run(['token', 'create'])).err).toContain('token.repositories')
  })

  test('an enrolled runner asks for work until it is told to stop', async () => {
    const stop = new AbortController()
    let out = ''
    const running = run(['runner', 'start'], {
      interrupted: stop.signal,
      onOut: (text) => {
        out += text
      },
    })
    await until('the runner', () => out.includes('asks'))
    for (;;) {
      const { json } = await run(['runner', 'list', '--json'])
      const [runner] = json[0]!['runners'] as { readonly id: string; readonly lastSeen?: string }[]
      if (runner?.lastSeen !== undefined) break
      await sleep(50)
    }
    stop.abort()
    expect((await running).status).toBe(0)
    expect(out).toContain('runner closet asks')
  })

  test('the doctor finds the app, and what is missing beside it', async () => {
    const { out, status } = await run(['doctor'])
    expect(out).toContain(`✔ app: ${app} answers`)
    expect(out).toContain('→ Start one: slipway init')
    expect(status).toBe(1)
  })

  test('runners are listed, and one that was revoked may not come back', async () => {
    expect((await run(['runner', 'list'])).out).toMatch(/closet +github\/\d+ /)
    expect((await run(['runner', 'revoke', 'shed'])).err).toContain('There is closet.')
    expect(await run(['runner', 'revoke', 'closet'])).toMatchObject({ status: 0 })
    expect((await run(['runner', 'list'])).out).toContain('revoked 20')
    expect((await run(['runner', 'revoke', 'closet', '--json'])).json).toEqual([{ runner: 'closet', revoked: false }])
  })

  test('what the app knows of clusters is there for its host, and no database is made by looking', async () => {
    expect((await run(['status', '--database', 'app.sqlite'])).out).toContain('The app knows no such cluster.')
    const { err, status } = await run(['runner', 'list', '--database', 'other.sqlite'])
    expect([status, err.includes('cli.database')]).toEqual([1, true])
    expect(() => readFileSync(join(place.folder, 'other.sqlite'))).toThrow('ENOENT')
    expect((await run(['logs', 'none', '--database', 'app.sqlite'])).err).toContain('cli.no-run')
  })

  test('no secret was printed', () => {
    expect(secrets).toHaveLength(6)
    expect(secrets.filter((secret) => secret.length < 16 || said.includes(secret))).toEqual([])
  })
})
