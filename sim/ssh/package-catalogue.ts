import type { Os } from './os.ts'
import type { Offered, Source } from './package.ts'

/** Signing key ids as `apt-get` names them when they are missing. */
export interface Repository {
  readonly key: string
  readonly keyId: string
  readonly origin: string
  packages(os: Os): readonly Offered[]
}

interface Shape {
  readonly depends?: readonly string[]
  readonly kb?: number
  readonly programs?: readonly string[]
  readonly units?: readonly string[]
  readonly conflicts?: readonly string[]
}

const SHAPES: Readonly<Record<string, Shape>> = {
  apt: {
    programs: ['/usr/bin/apt', '/usr/bin/apt-get', '/usr/bin/apt-cache', '/usr/bin/apt-mark', '/usr/bin/apt-config'],
  },
  'apt-transport-https': { kb: 25 },
  'ca-certificates': { kb: 153, depends: ['openssl'], programs: ['/usr/sbin/update-ca-certificates'] },
  chrony: {
    kb: 291,
    programs: ['/usr/bin/chronyc', '/usr/sbin/chronyd'],
    units: ['chrony.service'],
    conflicts: ['systemd-timesyncd'],
  },
  conntrack: { kb: 35, programs: ['/usr/sbin/conntrack'] },
  containerd: {
    kb: 25_900,
    depends: ['runc'],
    programs: ['/usr/bin/containerd', '/usr/bin/ctr', '/usr/bin/containerd-shim-runc-v2'],
    units: ['containerd.service'],
    conflicts: ['containerd.io'],
  },
  'containerd.io': {
    kb: 31_400,
    programs: ['/usr/bin/containerd', '/usr/bin/ctr', '/usr/bin/containerd-shim-runc-v2', '/usr/bin/runc'],
    units: ['containerd.service'],
    conflicts: ['containerd', 'runc'],
  },
  'cri-o': {
    kb: 21_300,
    programs: ['/usr/bin/crio', '/usr/libexec/crio/crun', '/usr/libexec/crio/conmon'],
    units: ['crio.service'],
  },
  'cri-tools': { kb: 16_000, programs: ['/usr/bin/crictl'] },
  cron: { programs: ['/usr/sbin/cron', '/usr/bin/crontab'] },
  curl: { kb: 315, programs: ['/usr/bin/curl'] },
  dpkg: { programs: ['/usr/bin/dpkg', '/usr/bin/dpkg-query', '/usr/sbin/dpkg-preconfigure'] },
  ebtables: { kb: 86, programs: ['/usr/sbin/ebtables'] },
  ethtool: { kb: 197, programs: ['/usr/sbin/ethtool'] },
  gnupg: { kb: 846, depends: ['gpg'] },
  gpg: { kb: 949, programs: ['/usr/bin/gpg', '/usr/bin/gpgconf'] },
  iproute2: { programs: ['/usr/bin/ss', '/usr/sbin/ip', '/usr/sbin/tc', '/usr/sbin/bridge'] },
  ipset: { kb: 46, programs: ['/usr/sbin/ipset'] },
  iptables: {
    kb: 360,
    programs: ['/usr/sbin/iptables', '/usr/sbin/ip6tables', '/usr/sbin/iptables-save', '/usr/sbin/iptables-restore'],
  },
  jq: { kb: 65, programs: ['/usr/bin/jq'] },
  kmod: { programs: ['/usr/sbin/modprobe', '/usr/sbin/lsmod', '/usr/bin/lsmod', '/usr/sbin/modinfo', '/usr/bin/kmod'] },
  kubeadm: { kb: 12_400, depends: ['cri-tools'], programs: ['/usr/bin/kubeadm'] },
  kubectl: { kb: 11_300, programs: ['/usr/bin/kubectl'] },
  kubelet: {
    kb: 12_900,
    depends: ['iptables', 'kubernetes-cni', 'ethtool', 'conntrack', 'socat', 'ebtables'],
    programs: ['/usr/bin/kubelet'],
    units: ['kubelet.service'],
  },
  'kubernetes-cni': {
    kb: 38_300,
    programs: ['/opt/cni/bin/bridge', '/opt/cni/bin/host-local', '/opt/cni/bin/loopback', '/opt/cni/bin/portmap'],
  },
  'linux-modules-extra': { kb: 45_000 },
  lvm2: { kb: 1_230, programs: ['/usr/sbin/lvs', '/usr/sbin/vgs', '/usr/sbin/pvs'] },
  multipath: { kb: 400 },
  needrestart: { kb: 60, programs: ['/usr/sbin/needrestart'] },
  'nfs-common': { kb: 230, programs: ['/usr/sbin/mount.nfs', '/usr/sbin/showmount'] },
  nftables: { kb: 70, programs: ['/usr/sbin/nft'], units: ['nftables.service'] },
  'open-iscsi': { kb: 330, programs: ['/usr/sbin/iscsid', '/usr/sbin/iscsiadm'], units: ['iscsid.service'] },
  'openssh-server': { programs: ['/usr/sbin/sshd'] },
  openssl: { programs: ['/usr/bin/openssl'] },
  pciutils: { kb: 140, programs: ['/usr/bin/lspci'] },
  procps: {
    programs: [
      '/usr/sbin/sysctl',
      '/usr/bin/free',
      '/usr/bin/ps',
      '/usr/bin/pgrep',
      '/usr/bin/pkill',
      '/usr/bin/uptime',
    ],
  },
  python3: { programs: ['/usr/bin/python3'] },
  'qemu-guest-agent': { kb: 370, programs: ['/usr/sbin/qemu-ga'], units: ['qemu-guest-agent.service'] },
  runc: { kb: 2_710, programs: ['/usr/bin/runc'] },
  sl: { kb: 14, programs: ['/usr/games/sl'] },
  socat: { kb: 375, programs: ['/usr/bin/socat'] },
  sudo: { programs: ['/usr/bin/sudo', '/usr/sbin/visudo'] },
  systemd: {
    programs: [
      '/usr/bin/systemctl',
      '/usr/bin/journalctl',
      '/usr/bin/hostnamectl',
      '/usr/bin/timedatectl',
      '/usr/bin/systemd-machine-id-setup',
      '/usr/bin/systemd-run',
      '/usr/bin/systemd-detect-virt',
      '/usr/bin/systemd-cat',
      '/usr/bin/resolvectl',
      '/usr/bin/loginctl',
    ],
  },
  tree: { kb: 53, programs: ['/usr/bin/tree'] },
  ufw: { kb: 168, programs: ['/usr/sbin/ufw'], units: ['ufw.service'] },
  'unattended-upgrades': { kb: 63 },
  util: {},
  wget: { kb: 984, programs: ['/usr/bin/wget'] },
  'wireguard-tools': { kb: 87, programs: ['/usr/bin/wg', '/usr/bin/wg-quick'] },
}

/** Versions of Debian 12, which the recordings come from; other releases differ only where it matters here. */
const VERSIONS: Readonly<Record<string, string>> = {
  'apt-transport-https': '2.6.1',
  'ca-certificates': '20230311+deb12u1',
  chrony: '4.3-2+deb12u1',
  conntrack: '1:1.4.7-1+b2',
  containerd: '1.6.20~ds1-1+deb12u3',
  curl: '7.88.1-10+deb12u14',
  ebtables: '2.0.11-5',
  ethtool: '1:6.1-1',
  gnupg: '2.2.40-1.1+deb12u1',
  gpg: '2.2.40-1.1+deb12u1',
  ipset: '7.17-1',
  iptables: '1.8.9-2',
  jq: '1.6-2.1+deb12u1',
  lvm2: '2.03.16-2',
  needrestart: '3.6-4+deb12u3',
  'nfs-common': '1:2.6.2-4+deb12u1',
  nftables: '1.0.6-2+deb12u2',
  'open-iscsi': '2.1.8-1',
  openssl: '3.0.17-1~deb12u3',
  pciutils: '1:3.9.0-4',
  python3: '3.11.2-1+b1',
  'qemu-guest-agent': '1:7.2+dfsg-7+deb12u17',
  runc: '1.1.5+ds1-1+deb12u1',
  sl: '5.02-1+b1',
  socat: '1.7.4.4-2',
  tree: '2.1.0-1',
  ufw: '0.36.2-1',
  'unattended-upgrades': '2.9.1+nmu3',
  wget: '1.21.3-1+deb12u1',
  'wireguard-tools': '1.0.20210914-1+b1',
}

const BASE: Readonly<Record<string, string>> = {
  apt: '2.6.1',
  'base-files': '12.4+deb12u12',
  bash: '5.2.15-2+b9',
  'ca-certificates': '20230311+deb12u1',
  coreutils: '9.1-1',
  cron: '3.0pl1-162',
  dpkg: '1.21.22',
  iproute2: '6.1.0-3',
  kmod: '30+20221128-1',
  'openssh-server': '1:9.2p1-2+deb12u10',
  openssl: '3.0.17-1~deb12u3',
  procps: '2:4.0.2-3',
  python3: '3.11.2-1+b1',
  sudo: '1.9.13p3-1+deb12u2',
  systemd: '252.39-1~deb12u2',
}

/** Packages of the image. Debian's cloud image has no gpg and no curl's friends beyond curl itself. */
export function basePackages(os: Os): [name: string, version: string][] {
  const extra: Record<string, string> =
    os.id === 'ubuntu'
      ? { ufw: '0.36.2-6', iptables: '1.8.10-3ubuntu2', gpg: '2.4.4-2ubuntu17.3', jq: '1.7.1-3ubuntu0.24.04.1' }
      : {}
  return Object.entries({ ...BASE, curl: VERSIONS['curl']!, ...extra })
}

export const programsOf = (name: string): readonly string[] => SHAPES[name]?.programs ?? []

function offer(name: string, version: string): Offered {
  const shape = SHAPES[name] ?? {}
  const kb = shape.kb ?? 100
  return {
    name,
    version,
    depends: shape.depends ?? [],
    kb,
    installedKb: kb * 4,
    programs: shape.programs ?? [],
    units: shape.units ?? [],
    conflicts: shape.conflicts ?? [],
  }
}

/** Patch releases that pkgs.k8s.io offers, by minor; newest last. */
const KUBERNETES: Readonly<Record<string, readonly string[]>> = {
  '1.33': ['1.33.10', '1.33.11'],
  '1.34': ['1.34.6', '1.34.7'],
  '1.35': ['1.35.0', '1.35.3', '1.35.4'],
  '1.36': ['1.36.0', '1.36.2', '1.36.3', '1.36.4'],
  '1.37': ['1.37.0', '1.37.1'],
}
const CNI_VERSION = '1.8.0-1.1'

function kubernetes(minor: string): Repository {
  return {
    key: 'isv:kubernetes',
    keyId: '234654DA9A296436',
    origin: 'isv:kubernetes:core:stable',
    packages: () => [
      ...(KUBERNETES[minor] ?? []).flatMap((version) =>
        ['kubeadm', 'kubectl', 'kubelet'].map((name) => offer(name, `${version}-1.1`)),
      ),
      offer('cri-tools', `${minor}.0-1.1`),
      offer('kubernetes-cni', CNI_VERSION),
    ],
  }
}

function crio(minor: string): Repository {
  return {
    key: 'isv:cri-o',
    keyId: 'E5D0E4B3A4E6A4F9',
    origin: 'isv:cri-o:stable',
    packages: () => ['0', '2', '3'].map((patch) => offer('cri-o', `${minor}.${patch}-1.1`)),
  }
}

const docker: Repository = {
  key: 'docker',
  keyId: '7EA0A9C3F273FCD8',
  origin: 'Docker',
  packages: (os) =>
    ['1.7.28', '2.1.5', '2.2.4', '2.3.5', '2.3.7'].map((version) =>
      offer('containerd.io', `${version}-1~${os.id}.${os.version}~${os.codename}`),
    ),
}

const distribution: Repository = {
  key: 'distribution',
  keyId: '6ED0E7B82643E131',
  origin: 'Debian',
  packages: (os) =>
    Object.entries(VERSIONS).map(([name, version]) =>
      offer(name, name === 'containerd' && os.version === '13' ? '1.7.24~ds1-6+b4' : version),
    ),
}

const extras: Repository = { ...distribution, packages: () => [] }

/** The repository behind an address, at its publisher or under any mirror's prefix. */
export function repositoryAt(uri: string, suite = ''): Repository | undefined {
  const kubernetesMinor = /core:\/stable:\/v(1\.\d+)\/deb\/?$/.exec(uri)?.[1]
  if (kubernetesMinor !== undefined) return kubernetesMinor in KUBERNETES ? kubernetes(kubernetesMinor) : undefined
  const crioMinor = /cri-o:\/stable:\/v(1\.\d+)\/deb\/?$/.exec(uri)?.[1]
  if (crioMinor !== undefined) return crioMinor in KUBERNETES ? crio(crioMinor) : undefined
  if (/\/linux\/(debian|ubuntu)\/?$/.test(uri)) return docker
  if (/\/(debian|ubuntu)\/?$/.test(uri)) return /-(updates|security)$/.test(suite) ? extras : distribution
  if (/debian-security\/?$/.test(uri)) return extras
  return undefined
}

const KEY_URLS: readonly (readonly [RegExp, string])[] = [
  [/core:\/stable:\/v1\.\d+\/deb\/Release\.key$/, 'isv:kubernetes'],
  [/cri-o:\/stable:\/v1\.\d+\/deb\/Release\.key$/, 'isv:cri-o'],
  [/\/linux\/(debian|ubuntu)\/gpg$/, 'docker'],
]

/** The armoured signing key that a publisher offers at this address. It stands for the real one, and signs nothing. */
export function keyAt(url: string): string | undefined {
  const key = KEY_URLS.find(([pattern]) => pattern.test(url))?.[1]
  return key === undefined ? undefined : armour(`GPGKEY:${key}`)
}

export function armour(content: string): string {
  const body = Buffer.from(content).toString('base64')
  return `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${body}\n=0000\n-----END PGP PUBLIC KEY BLOCK-----\n`
}

/** Content of an armoured block, or `undefined` when it is none. */
export function dearmour(text: string): Buffer | undefined {
  const block = /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[\w-]+:.*\r?\n)*\r?\n([\s\S]*?)-----END PGP/.exec(text)
  if (block === null) return undefined
  return Buffer.from(block[1]!.replaceAll(/^=.*$/gm, '').replaceAll(/\s/g, ''), 'base64')
}

/**
 * Whether a keyring lets apt accept a repository: it must hold that repository's key. A real OpenPGP key, as a caller
 * may bring its own, is taken for the right one since nothing here can check a signature.
 */
export function keyringAccepts(content: Uint8Array, armoured: boolean, repository: Repository): boolean {
  if (repository.key === 'distribution') return true
  const bytes = armoured ? dearmour(Buffer.from(content).toString('latin1')) : Buffer.from(content)
  if (bytes === undefined || bytes.length === 0) return false
  const text = bytes.toString('latin1')
  if (text.startsWith('GPGKEY:')) return text.split('GPGKEY:').includes(repository.key)
  return !text.startsWith('-----') && (bytes[0]! & 0x80) !== 0
}

/** The entries of all sources lists, in both of apt's forms. */
export function sourcesIn(files: readonly { readonly path: string; readonly text: string }[]): Source[] {
  return files.flatMap(({ path, text }) => (path.endsWith('.sources') ? deb822(path, text) : oneLine(path, text)))
}

function oneLine(file: string, text: string): Source[] {
  return text.split('\n').flatMap((line, n) => {
    const found = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)$/.exec(line)
    if (found === null) return []
    const options = new Map((found[1] ?? '').split(/\s+/).map((option) => option.split('=') as [string, string]))
    return [
      {
        file,
        line: n + 1,
        uri: found[2]!,
        suite: found[3]!,
        components: found[4]!.split(/\s+/).filter((part) => part !== ''),
        signedBy: options.get('signed-by'),
        trusted: options.get('trusted') === 'yes',
      },
    ]
  })
}

function deb822(file: string, text: string): Source[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = new Map<string, string>()
    let last = ''
    for (const line of stanza.split('\n').filter((entry) => !entry.startsWith('#'))) {
      const field = /^([\w-]+):\s*(.*)$/.exec(line)
      if (field !== null) fields.set((last = field[1]!.toLowerCase()), field[2]!)
      else if (last !== '' && line.startsWith(' ')) fields.set(last, `${fields.get(last)}\n${line}`)
    }
    const words = (name: string): string[] => (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '')
    if (!words('types').includes('deb') || fields.get('enabled') === 'no') return []
    return words('uris').flatMap((uri) =>
      words('suites').map((suite) => ({
        file,
        line: 1,
        uri,
        suite,
        components: words('components'),
        signedBy: fields.get('signed-by'),
        trusted: fields.get('trusted') === 'yes',
      })),
    )
  })
}
