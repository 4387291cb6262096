import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Problem } from '../../src/core/problem.ts'
import { redact } from '../../src/secrets/redact.ts'

/** Rendering takes seconds; an OCI chart is downloaded first. */
const HELM_TIMEOUT_MS = 180_000
/** Cilium and its definitions render to about 1 MB. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024

export interface HelmInput {
  readonly release: string
  readonly namespace: string
  readonly chart: { readonly archive: Buffer } | { readonly reference: string; readonly version?: string }
  readonly values: Readonly<Record<string, unknown>>
  /** `1.36.3`: charts ask for it, and without a cluster helm would answer with a version of its own. */
  readonly kubernetesVersion: string
  readonly signal?: AbortSignal
}

/**
 * A chart's objects as YAML, without hooks: those run at an install or a removal by helm, and nothing here does either.
 * helm sees a folder of its own and no cluster.
 * @throws Problem `source.helm-missing`, `source.helm` with helm's words.
 */
export async function helmTemplate(program: string | undefined, input: HelmInput): Promise<string> {
  if (program === undefined)
    throw new Problem({
      code: 'source.helm-missing',
      what: `"${input.release}" is a chart, and the runner has no helm`,
      remedy: 'Install helm on the runner and name its path as `tools.helm` in runner.yaml.',
      retry: 'later',
    })
  const folder = await mkdtemp(join(tmpdir(), 'slipway-helm-'))
  try {
    const chart = 'archive' in input.chart ? join(folder, 'chart.tgz') : input.chart.reference
    if ('archive' in input.chart) await writeFile(chart, input.chart.archive, { mode: 0o600 })
    const version = 'version' in input.chart ? ['--version', input.chart.version] : []
    return await run(
      program,
      [
        'template',
        input.release,
        chart,
        ...version,
        '--namespace',
        input.namespace,
        '--include-crds',
        '--no-hooks',
        '--skip-tests',
        '--kube-version',
        input.kubernetesVersion,
        '--values',
        '-',
      ],
      folder,
      input,
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Only these variables: no configuration, plugin or kubeconfig of the runner's user changes what comes out. */
function environment(folder: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: folder,
    HELM_CACHE_HOME: join(folder, 'cache'),
    HELM_CONFIG_HOME: join(folder, 'config'),
    HELM_DATA_HOME: join(folder, 'data'),
    KUBECONFIG: '/dev/null',
    LC_ALL: 'C',
  }
}

function run(program: string, args: readonly string[], folder: string, input: HelmInput): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: environment(folder),
      cwd: folder,
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: HELM_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      ...(input.signal === undefined ? {} : { signal: input.signal }),
    })
    const out: Buffer[] = []
    let size = 0
    let errors = ''
    child.stdout.on('data', (part: Buffer) => {
      size += part.length
      if (size > MAX_OUTPUT_BYTES) child.kill('SIGKILL')
      else out.push(part)
    })
    child.stderr.on('data', (part: Buffer) => {
      errors = (errors + part.toString()).slice(-2_000)
    })
    // helm may end before it has read its values; its exit status says why.
    child.stdin.on('error', () => undefined)
    child.stdin.end(JSON.stringify(input.values))
    child.on('error', (error) => {
      if (input.signal?.aborted === true) return reject(error)
      reject(
        new Problem(
          {
            code: 'source.helm-missing',
            what: `starting ${program}: ${error.message}`,
            remedy: 'Install helm on the runner and name its path as `tools.helm` in runner.yaml.',
            retry: 'later',
          },
          { cause: error },
        ),
      )
    })
    child.on('close', (exit) => {
      if (exit === 0 && size <= MAX_OUTPUT_BYTES) return resolve(Buffer.concat(out).toString('utf8'))
      reject(
        new Problem({
          code: 'source.helm',
          what: `helm could not render "${input.release}": ${redact(errors.trim()) || `it ended with ${exit ?? 'a signal'}`}`,
          remedy: 'See which value or version it does not take.',
          retry: 'later',
        }),
      )
    })
  })
}
