import { basename } from 'node:path'
import type { SimHost } from '../host.ts'
import { DiskError } from '../disk.ts'
import type { Answer, Call, Program } from '../program.ts'
import { err, out, switches } from '../program.ts'

function network({ spec }: SimHost): string {
  return spec.address.split('.').slice(0, 3).join('.')
}

const ip: Program = ({ host, argv, login }) => {
  const { flags, rest } = switches(
    argv.flatMap((word) => (/^-(json|brief|details|family)$/.test(word) ? [`-${word}`] : [word])),
  )
  const json = flags.has('-j') || flags.has('--json')
  const [object = '', verb = 'show', ...words] = rest
  const { address, prefix, gateway, mac } = host.spec
  const device = words[words.indexOf('dev') + 1] ?? words[0]
  const flannel = [...host.links]
  if (/^r(oute)?$/.test(object)) {
    if (verb === 'get')
      return out(
        json
          ? `${JSON.stringify([{ dst: words[0], gateway, dev: 'eth0', prefsrc: address, flags: [], uid: login.uid }])}\n`
          : `${words[0]} via ${gateway} dev eth0 src ${address} uid ${login.uid}\n`,
      )
    const routes = [
      { dst: 'default', gateway, dev: 'eth0', protocol: 'static', flags: [] },
      {
        dst: `${network(host)}.0/${prefix}`,
        dev: 'eth0',
        protocol: 'kernel',
        scope: 'link',
        prefsrc: address,
        flags: [],
      },
    ]
    const wanted = words[0] === 'default' || verb === 'default' ? routes.slice(0, 1) : routes
    if (json) return out(`${JSON.stringify(wanted)}\n`)
    return out(
      wanted
        .map((route) =>
          'gateway' in route
            ? `default via ${gateway} dev eth0 proto static \n`
            : `${route.dst} dev eth0 proto kernel scope link src ${address} \n`,
        )
        .join(''),
    )
  }
  if (/^l(ink)?$/.test(object) && /^(del|delete)$/.test(verb)) {
    if (!host.links.delete(device ?? '')) return err(`Cannot find device "${device}"\n`)
    host.mutated(`ip link delete ${device}`)
    return out()
  }
  if (/^(a|addr|address|l|link)$/.test(object)) {
    if (verb !== 'show' && verb !== 'list' && verb !== 'dev')
      return login.uid === 0 ? out() : err('RTNETLINK answers: Operation not permitted\n', 2)
    const wanted =
      words.includes('dev') || verb === 'dev'
        ? verb === 'dev'
          ? words[0]
          : device
        : words.find((word) => !['up', 'scope', 'global'].includes(word))
    if (wanted !== undefined && !['eth0', 'lo', ...flannel].includes(wanted))
      return err(`Device "${wanted}" does not exist.\n`)
    const entries = [
      {
        ifindex: 1,
        ifname: 'lo',
        flags: ['LOOPBACK', 'UP', 'LOWER_UP'],
        mtu: 65_536,
        operstate: 'UNKNOWN',
        link_type: 'loopback',
        address: '00:00:00:00:00:00',
        addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8, scope: 'host', label: 'lo' }],
      },
      {
        ifindex: 2,
        ifname: 'eth0',
        flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
        mtu: 1500,
        operstate: 'UP',
        link_type: 'ether',
        address: mac.toLowerCase(),
        addr_info: [
          {
            family: 'inet',
            local: address,
            prefixlen: prefix,
            broadcast: `${network(host)}.255`,
            scope: 'global',
            label: 'eth0',
          },
        ],
      },
      ...flannel.map((name, n) => ({
        ifindex: 3 + n,
        ifname: name,
        flags: ['UP'],
        mtu: 1450,
        operstate: 'UNKNOWN',
        link_type: 'ether',
        address: '72:a4:c6:1a:49:ab',
        addr_info: [],
      })),
    ].filter(({ ifname }) => wanted === undefined || ifname === wanted)
    if (json) return out(`${JSON.stringify(entries)}\n`)
    const brief = flags.has('--brief') || (flags.has('-b') && flags.has('-r'))
    if (brief)
      return out(
        entries
          .map(
            (each) =>
              `${each.ifname.padEnd(16)} ${each.operstate.padEnd(14)} ${each.addr_info.map((info) => `${info.local}/${info.prefixlen}`).join(' ') || each.address} \n`,
          )
          .join(''),
      )
    return out(
      entries
        .map(
          (each) =>
            `${each.ifindex}: ${each.ifname}: <${each.flags.join(',')}> mtu ${each.mtu} state ${each.operstate}\n    link/${each.link_type} ${each.address}\n${each.addr_info.map((info) => `    inet ${info.local}/${info.prefixlen} scope ${info.scope} ${info.label}\n`).join('')}`,
        )
        .join(''),
    )
  }
  return out()
}

const ss: Program = ({ host, argv }) => {
  const { flags } = switches(argv)
  const head = flags.has('-H') ? '' : 'State  Recv-Q Send-Q Local Address:Port Peer Address:Port\n'
  const udp = flags.has('-u') && !flags.has('-t')
  return out(
    head +
      (udp
        ? ''
        : host
            .ports()
            .map((port) => `LISTEN 0      4096               *:${port}       *:*\n`)
            .join('')),
  )
}

async function fetchTo(
  call: Call,
  url: string,
  target: string | undefined,
  missing: (status: number) => Answer,
  silent: Answer,
): Promise<Answer> {
  const fetched = await call.host.world.fetch(url)
  if (fetched === undefined) return silent
  if (fetched.status >= 400) return missing(fetched.status)
  if (target === undefined || target === '-')
    return { stdout: Buffer.from(fetched.body).toString('latin1'), stderr: '', exit: 0, stdoutKind: 'bytes' } as Answer
  try {
    await call.files.writeFile(call.files.resolvePath(call.cwd, target), fetched.body)
  } catch (cause) {
    if (cause instanceof DiskError) return err(`curl: (23) Failure writing output to destination\n`, 23)
    throw cause
  }
  return out()
}

const curl: Program = async (call) => {
  const { flags, values, rest } = switches(call.argv, [
    '-o',
    '--output',
    '-m',
    '--max-time',
    '--connect-timeout',
    '--retry',
    '--retry-delay',
    '--retry-max-time',
    '-H',
    '--header',
    '-A',
    '-w',
    '--write-out',
    '--cacert',
    '--proto',
    '-x',
    '--proxy',
    '-X',
    '-d',
    '--data',
  ])
  const url = rest[0]
  if (flags.has('--version') || flags.has('-V')) return out('curl 7.88.1 (x86_64-pc-linux-gnu)\n')
  if (url === undefined) return err("curl: try 'curl --help' or 'curl --manual' for more information\n", 2)
  if (/^https?:\/\/(127\.0\.0\.1|localhost):10248\/healthz/.test(url)) {
    if (call.host.kubeletHealthy()) return out('ok')
    return err(
      flags.has('-s') && !flags.has('-S')
        ? ''
        : 'curl: (7) Failed to connect to 127.0.0.1 port 10248: Connection refused\n',
      7,
    )
  }
  const quiet = flags.has('-s') && !flags.has('-S')
  const say = (text: string, exit: number): Answer => err(quiet ? '' : text, exit)
  const target =
    values.get('-o')?.[0] ??
    values.get('--output')?.[0] ??
    (flags.has('-O') ? basename(new URL(url).pathname) : undefined)
  const host = URL.parse(url)?.host ?? url
  const answer = await fetchTo(
    call,
    url,
    target,
    (status) =>
      flags.has('-f') || flags.has('--fail')
        ? say(`curl: (22) The requested URL returned error: ${status}\n`, 22)
        : out(),
    say(`curl: (6) Could not resolve host: ${host}\n`, 6),
  )
  const format = values.get('-w')?.[0] ?? values.get('--write-out')?.[0]
  if (format === undefined) return answer
  return {
    ...answer,
    stdout:
      answer.stdout +
      format.replaceAll('%{http_code}', answer.exit === 0 ? '200' : '000').replaceAll(String.raw`\n`, '\n'),
  }
}

const wget: Program = async (call) => {
  const { flags, values, rest } = switches(call.argv, ['-O', '-T', '-t', '--timeout', '--tries', '-P'])
  const url = rest[0] ?? ''
  const target = values.get('-O')?.[0] ?? basename(URL.parse(url)?.pathname ?? 'index.html')
  const quiet = flags.has('-q')
  return fetchTo(
    call,
    url,
    target,
    (status) => err(quiet ? '' : `ERROR ${status}: Not Found.\n`, 8),
    err(quiet ? '' : `wget: unable to resolve host address '${URL.parse(url)?.host ?? url}'\n`, 4),
  )
}

const nft: Program = ({ argv, host, login }) => {
  if (login.uid !== 0) return err('Operation not permitted (you must be root)\n')
  const { rest } = switches(argv, ['-f'])
  if (rest[0] === 'list' && rest[1] === 'tables')
    return out(
      host.node === undefined
        ? ''
        : ['ip6 mangle', 'ip mangle', 'ip filter', 'ip6 nat', 'ip6 filter', 'ip nat']
            .map((name) => `table ${name}\n`)
            .join(''),
    )
  return out()
}

const ufw: Program = ({ argv, host, login }) => {
  if (login.uid !== 0) return err('ERROR: You need to be root to run this script\n')
  const [verb, ...words] = argv.filter((word) => word !== '--force')
  const { firewall } = host
  if (verb === 'status')
    return out(
      `Status: ${firewall.active ? 'active' : 'inactive'}\n${firewall.rules.map((rule) => `${rule}\n`).join('')}`,
    )
  if (verb === 'enable' || verb === 'disable') {
    const active = verb === 'enable'
    if (firewall.active !== active) host.mutated(`ufw ${verb}`)
    firewall.active = active
    return out(
      active
        ? 'Firewall is active and enabled on system startup\n'
        : 'Firewall stopped and disabled on system startup\n',
    )
  }
  const rule = [verb, ...words].join(' ')
  if (firewall.rules.includes(rule)) return out('Skipping adding existing rule\n')
  firewall.rules.push(rule)
  host.mutated(`ufw ${rule}`)
  return out('Rules updated\n')
}

/** Answers of programs that only have to be there and to succeed. */
const quiet: Program = ({ login }) => (login.uid === 0 ? out() : err('Operation not permitted\n', 4))

const ping: Program = async (call) => {
  const { rest } = switches(call.argv, ['-c', '-W', '-w', '-i', '-I'])
  const target = rest[0] ?? ''
  if (target === call.host.spec.address || target === '127.0.0.1' || call.host.world.hostAt(target) !== undefined)
    return out(`PING ${target} 56(84) bytes of data.\n64 bytes from ${target}: icmp_seq=1 ttl=64 time=0.4 ms\n`)
  return out(`PING ${target} 56(84) bytes of data.\n\n1 packets transmitted, 0 received, 100% packet loss\n`, 1)
}

export const networkPrograms: Readonly<Record<string, Program>> = {
  ip,
  ss,
  curl,
  wget,
  nft,
  ufw,
  iptables: quiet,
  ip6tables: quiet,
  'iptables-save': quiet,
  'iptables-restore': quiet,
  ebtables: quiet,
  ipset: quiet,
  ethtool: quiet,
  conntrack: quiet,
  tc: quiet,
  bridge: quiet,
  socat: quiet,
  ping,
}
