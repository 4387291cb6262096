import { execFile } from 'node:child_process'
import type { Finding } from './finding.ts'

/** A program tells its version at once. */
const VERSION_TIMEOUT_MS = 10_000
/** Node's first release that runs TypeScript as it is and has SQLite. */
const NEEDED_NODE = 24

/** The programs that Slipway starts on this machine. @param helm - Path, when charts have to be rendered. */
export async function programFindings(helm: {
  readonly needed: boolean
  readonly path?: string
}): Promise<readonly Finding[]> {
  const node = Number(process.versions.node.split('.')[0])
  const findings: Finding[] = [
    node >= NEEDED_NODE
      ? { about: 'node', state: 'fine', what: `Node ${process.versions.node}` }
      : {
          about: 'node',
          state: 'problem',
          what: `Node ${process.versions.node} is too old`,
          remedy: `Install Node ${NEEDED_NODE} or newer.`,
        },
    await program('git', 'git', ['--version'], 'Install git.'),
    await program('ssh', 'ssh', ['-V'], 'Install the OpenSSH client; git reads repositories through it.'),
  ]
  if (helm.path !== undefined)
    findings.push(await program('helm', helm.path, ['version', '--short'], 'Put helm there, or correct `tools.helm`.'))
  else if (helm.needed)
    findings.push({
      about: 'helm',
      state: 'problem',
      what: 'a cluster here has charts, and runner.yaml names no helm',
      remedy: 'Install helm and name its path as `tools.helm` in runner.yaml.',
    })
  return findings
}

function program(about: string, path: string, args: readonly string[], remedy: string): Promise<Finding> {
  return new Promise((resolve) => {
    execFile(path, args, { timeout: VERSION_TIMEOUT_MS, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`.trim().split('\n')[0] ?? ''
      if (error === null) resolve({ about, state: 'fine', what: said })
      else resolve({ about, state: 'problem', what: `${path} does not run`, remedy })
    })
  })
}
