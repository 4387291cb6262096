import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { program } from './program.ts'

/** A Debian package of a few text files. */
export interface SmallPackage {
  readonly name: string
  readonly version: string
  readonly depends?: readonly string[]
  /** Further lines of its control file, e.g. `Conflicts: containerd`. */
  readonly fields?: readonly string[]
  /** Said by `apt-cache show`: what it is, and what it stands in for. */
  readonly description: string
  /** Path without the first slash → text; what lies in a `bin` folder may be run. */
  readonly files: Readonly<Record<string, string>>
  /** Files that dpkg leaves as an administrator changed them. */
  readonly conffiles?: readonly string[]
  /** Run by dpkg after it is unpacked. */
  readonly postinst?: string
}

/** A key to sign packages with, good for as long as its folder. */
export interface SigningKey extends AsyncDisposable {
  /** The public key in ASCII armor. */
  readonly publicKey: string
  sign(parameters: readonly string[]): Promise<void>
}

export async function newSigningKey(): Promise<SigningKey> {
  const home = mkdtempSync(join(tmpdir(), 'lab-gpg-'))
  const gpg = (...parameters: readonly string[]): Promise<string> =>
    program(
      'gpg',
      '--homedir',
      home,
      '--batch',
      '--yes',
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      '',
      ...parameters,
    )
  await gpg('--quick-generate-key', 'Lab packages <lab@example.invalid>', 'ed25519', 'sign', '1d')
  return {
    publicKey: await gpg('--armor', '--export'),
    sign: async (parameters) => void (await gpg(...parameters)),
    async [Symbol.asyncDispose]() {
      await program('gpgconf', '--homedir', home, '--kill', 'all')
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/**
 * Writes a signed apt repository.
 * @param folder - The repository's root, as it is served.
 * @param suite - Empty for a flat one (`deb … /`, with `Release.key` beside it); else `<codename> <component>`, with the
 *   key at `gpg`: the two ways of upstream projects.
 */
export async function writeRepository(
  folder: string,
  suite: { readonly codename: string; readonly component: string } | undefined,
  packages: readonly SmallPackage[],
  key: SigningKey,
): Promise<void> {
  const pool = join(folder, suite === undefined ? 'all' : 'pool')
  mkdirSync(pool, { recursive: true })
  for (const one of packages) await build(one, pool)
  const list = await program('env', '-C', folder, 'apt-ftparchive', 'packages', suite === undefined ? 'all' : 'pool')
  const lists = suite === undefined ? folder : join(folder, 'dists', suite.codename)
  const architecture = (await program('dpkg', '--print-architecture')).trim()
  const index = suite === undefined ? lists : join(lists, suite.component, `binary-${architecture}`)
  mkdirSync(index, { recursive: true })
  writeFileSync(join(index, 'Packages'), list)
  const fields = {
    Architectures: architecture,
    ...(suite === undefined ? {} : { Codename: suite.codename, Components: suite.component }),
  }
  const settings = Object.entries(fields).flatMap(([name, value]) => [
    '-o',
    `APT::FTPArchive::Release::${name}=${value}`,
  ])
  writeFileSync(join(lists, 'Release'), await program('apt-ftparchive', ...settings, 'release', lists))
  await key.sign(['--clearsign', '-o', join(lists, 'InRelease'), join(lists, 'Release')])
  writeFileSync(join(folder, suite === undefined ? 'Release.key' : 'gpg'), key.publicKey)
}

async function build(one: SmallPackage, pool: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lab-package-'))
  try {
    const put = (path: string, text: string, mode = 0o644): void => {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text, { mode })
    }
    for (const [path, text] of Object.entries(one.files)) put(path, text, /(^|\/)s?bin\//.test(path) ? 0o755 : 0o644)
    put(
      'DEBIAN/control',
      [
        `Package: ${one.name}`,
        `Version: ${one.version}`,
        'Architecture: all',
        'Maintainer: Lab <lab@example.invalid>',
        ...(one.depends === undefined ? [] : [`Depends: ${one.depends.join(', ')}`]),
        ...(one.fields ?? []),
        `Description: ${one.description}`,
        '',
      ].join('\n'),
    )
    if (one.conffiles !== undefined) put('DEBIAN/conffiles', `${one.conffiles.join('\n')}\n`)
    if (one.postinst !== undefined) put('DEBIAN/postinst', `#!/bin/sh\nset -e\n${one.postinst}\n`, 0o755)
    await program('chmod', '0755', folder)
    await program('dpkg-deb', '--root-owner-group', '--build', folder, pool)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
