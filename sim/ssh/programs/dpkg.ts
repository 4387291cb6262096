import type { Installed } from '../package.ts'
import { compareVersions } from '../package.ts'
import { programsOf } from '../package-catalogue.ts'
import type { Program } from '../program.ts'
import { err, out, switches } from '../program.ts'

const abbreviation = ({ held, configOnly }: Installed): string => `${configOnly === true ? 'rc' : held ? 'hi' : 'ii'} `
const status = ({ held, configOnly }: Installed): string =>
  configOnly === true ? 'deinstall ok config-files' : `${held ? 'hold' : 'install'} ok installed`

const dpkgQuery: Program = (call) => {
  const { flags, values, rest } = switches(call.argv, ['-f', '--showformat'])
  if (flags.has('-s') || flags.has('--status') || flags.has('-L') || flags.has('-l') || flags.has('-S'))
    return dpkg(call)
  const format =
    values.get('-f')?.[0]?.replace(/^=/, '') ??
    values.get('--showformat')?.[0] ??
    String.raw`\${binary:Package}\t\${Version}\n`.replaceAll(String.raw`\$`, '$')
  let stdout = ''
  let stderr = ''
  const all = [...call.host.packages.values()]
  for (const asked of rest.length === 0 ? ['*'] : rest) {
    const pattern = new RegExp(`^${asked.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*')}$`)
    const found = all.filter(({ name }) => pattern.test(name))
    if (found.length === 0) stderr += `dpkg-query: no packages found matching ${asked}\n`
    for (const each of found) {
      const fields: Readonly<Record<string, string>> = {
        Package: each.name,
        'binary:Package': each.name,
        Version: each.version,
        Architecture: 'amd64',
        Status: status(each),
        'db:Status-Abbrev': abbreviation(each),
        'db:Status-Status': each.configOnly === true ? 'config-files' : 'installed',
        'db:Status-Want': each.configOnly === true ? 'deinstall' : each.held ? 'hold' : 'install',
        'Installed-Size': '100',
      }
      stdout += format
        .replaceAll(/\$\{([^};]+)(?:;[^}]*)?\}/g, (_, name: string) => fields[name] ?? '')
        .replaceAll(String.raw`\n`, '\n')
        .replaceAll(String.raw`\t`, '\t')
    }
  }
  return { stdout, stderr, exit: stderr === '' ? 0 : 1 }
}

const dpkg: Program = (call) => {
  const { host, login } = call
  const { flags, rest } = switches(call.argv)
  if (flags.has('--print-architecture')) return out('amd64\n')
  if (flags.has('--print-foreign-architectures')) return out()
  if (flags.has('--compare-versions')) {
    const [a = '', relation = 'eq', b = ''] = rest
    const order = compareVersions(a, b)
    const holds = { lt: order < 0, le: order <= 0, eq: order === 0, ne: order !== 0, ge: order >= 0, gt: order > 0 }[
      relation
    ]
    return out('', holds === true ? 0 : 1)
  }
  if (flags.has('--audit')) return out(host.dpkgInterrupted ? 'The following packages are only half configured\n' : '')
  if (flags.has('--configure')) {
    if (login.uid !== 0) return err('dpkg: error: requested operation requires superuser privilege\n', 2)
    if (host.dpkgInterrupted) host.mutated('dpkg --configure -a')
    host.dpkgInterrupted = false
    host.disk.empty('/var/lib/dpkg/updates')
    return out()
  }
  if (flags.has('--get-selections'))
    return out([...host.packages.values()].map((each) => `${each.name}\t${each.held ? 'hold' : 'install'}\n`).join(''))
  if (flags.has('-s') || flags.has('--status')) {
    let stdout = ''
    for (const name of rest) {
      const found = host.packages.get(name)
      if (found === undefined)
        return err(
          `dpkg-query: package '${name}' is not installed and no information is available\nUse dpkg --info (= dpkg-deb --info) to examine archive files.\n`,
          1,
          stdout,
        )
      stdout += `Package: ${name}\nStatus: ${status(found)}\nArchitecture: amd64\nVersion: ${found.version}\n`
    }
    return out(stdout)
  }
  if (flags.has('-L') || flags.has('--listfiles')) {
    const name = rest[0] ?? ''
    if (!host.packages.has(name)) return err(`dpkg-query: package '${name}' is not installed\n`)
    return out(
      programsOf(name)
        .map((path) => `${path}\n`)
        .join(''),
    )
  }
  if (flags.has('-S') || flags.has('--search')) {
    const owner = [...host.packages.keys()].find((name) => programsOf(name).includes(rest[0] ?? ''))
    return owner === undefined
      ? err(`dpkg-query: no path found matching pattern ${rest[0]}\n`)
      : out(`${owner}: ${rest[0]}\n`)
  }
  if (flags.has('-l') || flags.has('--list')) {
    const found = [...host.packages.values()].filter(({ name }) => rest.length === 0 || rest.includes(name))
    if (found.length === 0) return err(`dpkg-query: no packages found matching ${rest[0]}\n`)
    const head = 'Desired=Unknown/Install/Remove/Purge/Hold\n||/ Name           Version      Architecture Description\n'
    return out(
      head + found.map((each) => `${abbreviation(each)} ${each.name} ${each.version} amd64 ${each.name}\n`).join(''),
    )
  }
  return err('dpkg: error: need an action option\n', 2)
}

export const dpkgPrograms: Readonly<Record<string, Program>> = { dpkg, 'dpkg-query': dpkgQuery }
