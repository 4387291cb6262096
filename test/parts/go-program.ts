import { execFile } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A large program with an empty cache takes about three minutes on two processors. */
const BUILD_MS = 480_000
/** Kept from run to run, one folder per version. */
const FOLDER = join(tmpdir(), `slipway-parts-${userInfo().username}`)

/** A program at an exact version, built from its Go module, or why there is none. */
export type GoProgram =
  | { readonly path: string; readonly missing?: never }
  | { readonly path?: never; readonly missing: string }

/**
 * Builds a program from the Go module proxy, once.
 * @param name - Name of the program; it is the end of `from`.
 * @param from - Path of its package, e.g. `filippo.io/age/cmd/age`.
 */
export async function goProgram(name: string, from: string, version: string): Promise<GoProgram> {
  const folder = join(FOLDER, version)
  const path = join(folder, name)
  if (existsSync(path)) return { path }
  mkdirSync(folder, { recursive: true })
  try {
    await promisify(execFile)('go', ['install', '-trimpath', `${from}@${version}`], {
      timeout: BUILD_MS,
      // Another version of Go is not fetched for this, nor a C compiler used.
      env: { ...process.env, GOBIN: folder, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '-buildvcs=false' },
    })
    return { path }
  } catch (error) {
    const { code, stderr } = error as { readonly code?: unknown; readonly stderr?: string }
    if (code === 'ENOENT') return { missing: `${name}: go is not installed` }
    return { missing: `${name} ${version} was not built: ${stderr?.trim().split('\n').at(-1) ?? String(error)}` }
  }
}
