import { describe, expect, test } from 'vitest'
import { home, parse, FILE } from './home.ts'

const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'
const MACHINES = '  gitops:'
const machine = (text: string) => [MACHINES, `    - ${text}\n${MACHINES}`] as const
const worker = (id: number, address: string, rest = '') =>
  machine(`{ name: x-${id}, role: worker, provider: pve, node: pve1, id: ${id}, address: ${address}/24${rest} }`)

/** Code and the text at the place of each problem. */
function at(text: string): readonly string[] {
  const lines = text.split('\n')
  return parse(text).problems.map(({ code, line, column }) => {
    const rest = lines[line - 1]?.slice(column - 1) ?? ''
    return `${code} @ ${/^(?:'[^']*'|"[^"]*"|[^\s,:}\]]+(?::[^\s,}\]]+)?|.)/.exec(rest)?.[0] ?? ''}`
  })
}

test('the home example is a spec', () => {
  const { spec, problems } = parse(home())
  expect(problems).toEqual([])
  expect(spec?.kubernetes).toMatchObject({ distribution: 'kubeadm', version: expect.stringMatching(/^1\.36\.\d+$/) })
  expect(spec?.endpoint).toEqual({ host: '10.4.0.11', port: 6443, keptBy: 'control-plane', certSANs: [] })
  expect(spec?.machines.map(({ name, role, address }) => [name, role, address])).toEqual([
    ['cp-1', 'control-plane', '10.4.0.11'],
    ['w-1', 'worker', '10.4.0.21'],
    ['w-2', 'worker', '10.4.0.22'],
  ])
  expect(spec?.machines.map((one) => (one.kind === 'vm' ? one.vmid : 0))).toEqual([401, 411, 412])
  expect(spec?.gitops).toMatchObject({ engine: 'flux', apps: 'clusters/home/apps', interval: '1m' })
})

test('control planes come first, whatever the order of the file', () => {
  const text = home(
    ['role: control-plane', 'role: worker'],
    ["name: 'w-{1..2}', role: worker", 'name: cp-2, role: control-plane'],
    ['id: 411..', 'id: 411'],
    ['10.4.0.21..', '10.4.0.21'],
  )
  expect(parse(text).spec?.machines.map(({ name }) => name)).toEqual(['cp-2', 'cp-1'])
})

test('lists deal machines out over nodes, and give one id and address each', () => {
  const text = home([
    'node: pve1, id: 411.., address: 10.4.0.21../24',
    'node: [pve1, pve2], id: [900, 905], address: [10.4.0.50/24, 10.4.0.40/24]',
  ])
  expect(parse(text).problems).toEqual([])
  expect(parse(text).spec?.machines.slice(1)).toMatchObject([
    { node: 'pve1', vmid: 900, address: '10.4.0.50' },
    { node: 'pve2', vmid: 905, address: '10.4.0.40' },
  ])
})

test('a version with a trailing zero stays what was written', () => {
  expect(parse(home(['version: 1.36', 'version: 1.30'])).problems[0]?.what).toContain('Kubernetes 1.30 ')
})

describe('form', () => {
  const cases: readonly (readonly [name: string, text: string, problems: readonly string[]])[] = [
    [
      'an unknown field, at its name',
      home(['storage:', 'storrage: a\n      storage:']),
      ['spec.unknown-field @ storrage'],
    ],
    [
      'a missing field, at the map it is missing from',
      home(['      gateway: 10.4.0.1\n', '']),
      ['spec.missing-field @ pve'],
    ],
    ['a wrong type', home(['cores: 2', 'cores: two']), ['spec.wrong-type @ two']],
    [
      'a boolean of YAML 1.1',
      home(['{ engine: flux }', '{ engine: flux, secrets: { sops: yes } }']),
      ['spec.wrong-type @ yes'],
    ],
    ['a value out of range', home(['id: 401', 'id: 99']), ['spec.invalid-value @ 99']],
    ['a choice that does not exist', home(['kind: flannel', 'kind: flanel']), ['spec.unknown-value @ flanel']],
    ['a leading zero', home(['cores: 2', 'cores: 02']), ['spec.ambiguous-number @ 02']],
    [
      'a name that is not a label',
      home(['metadata: { name: home }', 'metadata: { name: Home }']),
      ['spec.invalid-value @ Home'],
    ],
    ['a field twice', home(['bridge: vmbr0', 'bridge: vmbr0\n      bridge: vmbr1']), ['spec.duplicate-field @ bridge']],
    ['two documents', `${home()}---\na: 1\n`, ['spec.several-documents @ ---']],
    [
      'credentials in a URL',
      home([MACHINES, `  mirrors: { containerImages: { docker.io: 'https://me:hunter2@cache.lan' } }\n${MACHINES}`]),
      ["spec.invalid-value @ 'https://me:hunter2@cache.lan'"],
    ],
    ['an empty file', '', ['spec.empty-file @ ']],
    ['a text instead of a map', 'cluster', ['spec.wrong-type @ cluster']],
    [
      'a merge key',
      home(['      kind: proxmox', '      <<: { a: 1 }\n      kind: proxmox']),
      ['spec.unknown-field @ <<'],
    ],
  ]
  test.each(cases)('%s', (_name, text, problems) => {
    expect(at(text)).toEqual(problems)
  })

  test('a value that carries credentials is not repeated', () => {
    const text = home([
      MACHINES,
      `  mirrors: { containerImages: { docker.io: 'https://me:hunter2@cache.lan' } }\n${MACHINES}`,
    ])
    expect(JSON.stringify(parse(text).problems)).not.toContain('hunter2')
  })

  test('what was probably meant is said', () => {
    expect(parse(home(['storage:', 'storrage: a\n      storage:'])).problems[0]?.what).toContain(
      'did you mean "storage"',
    )
    expect(parse(home(['kind: flannel', 'kind: flanel'])).problems[0]?.what).toContain('did you mean "flannel"')
    expect(parse(home(['engine: flux', 'engine: argo-cd'])).problems[0]?.what).toContain('did you mean "argocd"')
  })
})

describe('contradictions', () => {
  const cases: readonly (readonly [name: string, text: string, problems: readonly string[]])[] = [
    [
      'a name that is not the folder',
      home(['metadata: { name: home }', 'metadata: { name: hoem }']),
      ['spec.name-differs @ hoem'],
    ],
    ['a machine name twice', home(['cp-1', 'w-1']), ["spec.name-taken @ 'w-{1..2}'"]],
    ['an address twice', home(['10.4.0.11/24', '10.4.0.21/24']), ['spec.address-taken @ 10.4.0.21../24']],
    ['the address of the gateway', home(worker(420, '10.4.0.1')), ['spec.address-taken @ 10.4.0.1/24']],
    ['an id twice', home(['id: 401', 'id: 412']), ['spec.id-taken @ 411..']],
    ['a range with too few ids', home(['id: 411..', 'id: 411']), ['spec.range @ 411']],
    ['a list of another length', home(['id: 411..', 'id: [411, 412, 413]']), ['spec.range @ [411']],
    ['a range that runs backwards', home(['w-{1..2}', 'w-{2..1}']), ["spec.range @ 'w-{2..1}'"]],
    ['an unknown provider', home(['provider: pve', 'provider: pev']), ['spec.unknown-provider @ pev']],
    [
      'an address outside the LAN of its gateway',
      home(worker(420, '10.5.0.9')),
      ['spec.gateway-outside @ 10.5.0.9/24'],
    ],
    ['the broadcast address', home(worker(420, '10.4.0.255')), ['spec.address-reserved @ 10.4.0.255/24']],
    ['too little memory for a control plane', home(['memory: 4GiB', 'memory: 1GiB']), ['spec.too-small @ 1GiB']],
    ['one core for a control plane', home(['cores: 2', 'cores: 1']), ['spec.too-small @ 1']],
    ['too small a disk', home(['disk: 40GiB', 'disk: 10GiB']), ['spec.too-small @ 10GiB']],
    ['pods over the LAN', home(['10.244.0.0/16', '10.4.0.0/16']), ['spec.ranges-overlap @ 10.4.0.0/16']],
    ['services over pods', home(['10.96.0.0/16', '10.244.128.0/17']), ['spec.ranges-overlap @ 10.244.128.0/17']],
    ['pods over the tailnet', home(['10.244.0.0/16', '100.100.0.0/16']), ['spec.ranges-overlap @ 100.100.0.0/16']],
    ['services over Docker', home(['10.96.0.0/16', '172.17.0.0/16']), ['spec.ranges-overlap @ 172.17.0.0/16']],
    [
      'a pod network for too few nodes',
      home(['10.244.0.0/16', '10.244.0.0/23']),
      ['spec.pod-network-small @ 10.244.0.0/23'],
    ],
    [
      'two control planes',
      home(
        worker(420, '10.4.0.12'),
        ['x-420, role: worker', 'x-420, role: control-plane'],
        ['  network:', '  endpoint: { address: api.example.org, keptBy: external }\n  network:'],
      ),
      ['spec.even-control-planes @ control-plane'],
    ],
    ['no control plane', home(['role: control-plane', 'role: worker']), ['spec.no-control-plane @ machines']],
    [
      'an endpoint that nobody keeps',
      home(['  network:', '  endpoint: { address: 10.4.0.10, keptBy: control-plane }\n  network:']),
      ['spec.endpoint-elsewhere @ 10.4.0.10'],
    ],
    ['an unknown Kubernetes', home(['version: 1.36', 'version: 1.28.0']), ['spec.unknown-version @ 1.28.0']],
    ['a Cilium for older clusters', home(['kind: flannel', 'kind: cilium, version: 1.19']), ['compat.cni @ 1.19']],
    [
      'a containerd for older clusters',
      home(['version: 1.36', 'version: 1.36\n    runtime: { kind: containerd, version: 1.7.28 }']),
      ['compat.runtime @ 1.7.28'],
    ],
    [
      'a containerd by its minor only',
      home(['version: 1.36', 'version: 1.36\n    runtime: { kind: containerd, version: 2.3 }']),
      ['spec.inexact-version @ 2.3'],
    ],
    [
      'a mode for the kube-proxy that Cilium replaces',
      home(['version: 1.36', 'version: 1.36\n    proxyMode: ipvs'], ['kind: flannel', 'kind: cilium']),
      ['spec.unused-field @ proxyMode'],
    ],
    [
      'an unknown engine version',
      home(['engine: flux', 'engine: flux, version: 2.8.0']),
      ['spec.unknown-version @ 2.8.0'],
    ],
    [
      'a feature gate that is gone',
      home(['version: 1.36', 'version: 1.36\n    kubelet: { featureGates: { CSIMigrationAWS: true } }']),
      ['compat.feature-gate @ CSIMigrationAWS'],
    ],
    [
      'a pool outside the LAN',
      home(['kind: flannel', 'kind: cilium, loadBalancer: { addresses: [10.9.0.1-10.9.0.5] }']),
      ['spec.pool-outside-lan @ 10.9.0.1-10.9.0.5'],
    ],
    [
      'a pool over a machine',
      home(['kind: flannel', 'kind: cilium, loadBalancer: { addresses: [10.4.0.20-10.4.0.30] }']),
      ['spec.pool-overlaps @ 10.4.0.20-10.4.0.30'],
    ],
    [
      'a label of Kubernetes',
      home(worker(420, '10.4.0.30', ", labels: { 'kubernetes.io/os': linux }")),
      ["spec.protected-label @ 'kubernetes.io/os'"],
    ],
    [
      'a taint twice',
      home(worker(420, '10.4.0.30', ", taints: ['a=1:NoSchedule', 'a=2:NoSchedule']")),
      ["spec.taint-twice @ 'a=2:NoSchedule'"],
    ],
    [
      'a taint that Kubernetes sets',
      home(worker(420, '10.4.0.30', ", taints: ['node.kubernetes.io/not-ready:NoExecute']")),
      ["spec.protected-taint @ 'node.kubernetes.io/not-ready:NoExecute'"],
    ],
    [
      'an existing host without its key',
      home(machine('{ name: nas, role: worker, host: 10.4.0.60 }')),
      ['spec.host-key-missing @ {'],
    ],
    [
      'an existing host with half a key',
      home(machine('{ name: nas, role: worker, host: 10.4.0.60, hostKey: ssh-ed25519 }')),
      ['spec.host-key-malformed @ ssh-ed25519'],
    ],
    ['neither image nor template', home(['      image: debian-13\n', '']), ['spec.image-or-template @ pve']],
    [
      'image and template',
      home(['image: debian-13', 'image: debian-13\n      template: 9000']),
      ['spec.image-or-template @ 9000'],
    ],
    [
      'a raw PCI address',
      home(worker(420, '10.4.0.30', ", passthrough: ['0000:01:00.0']")),
      ['spec.not-yet-supported @ passthrough', "spec.raw-pci-address @ '0000:01:00.0'"],
    ],
  ]
  test.each(cases)('%s', (_name, text, problems) => {
    expect(at(text)).toEqual(problems)
    expect(parse(text).spec).toBeUndefined()
  })

  test('an existing host with its key is fine', () => {
    expect(
      parse(home(machine(`{ name: nas, role: worker, host: 10.4.0.60, hostKey: '${HOST_KEY}' }`))).problems,
    ).toEqual([])
  })

  test('three control planes behind a balancer are fine', () => {
    const text = home(
      ['{ name: cp-1', "{ name: 'cp-{1..3}'"],
      ['id: 401', 'id: 401..'],
      ['10.4.0.11/24', '10.4.0.11../24'],
      ['  network:', '  endpoint: { address: api.example.org, keptBy: external }\n  network:'],
    )
    expect(parse(text).problems).toEqual([])
  })

  test('the remedy names an address that is free', () => {
    const [problem] = parse(home(['10.4.0.11/24', '10.4.0.21/24'])).problems
    expect(problem?.remedy).toContain('10.4.0.23 is free')
  })
})

describe('parts that do not work together, also where they cannot be planned yet', () => {
  const compat = (text: string) => at(text).filter((one) => one.startsWith('compat.'))
  const components = (text: string) => ['  gitops:', `  components: { ${text} }\n  gitops:`] as const
  const k3s = (text: string) => ['distribution: kubeadm', `distribution: k3s${text}`] as const

  test.each<readonly [string, string, string]>([
    ['two device plugins', home(components('gpu-operator: {}, gpu-device-plugin: {}')), 'gpu-device-plugin'],
    ['GPU metrics twice', home(components('gpu-operator: {}, dcgm: {}')), 'dcgm'],
    [
      'two givers of addresses',
      home(
        ['kind: flannel', 'kind: cilium, loadBalancer: { addresses: [10.4.0.200] }'],
        components('metallb: { addresses: [10.4.0.201] }'),
      ),
      'metallb',
    ],
    [
      'two default storage classes',
      home(components('nfs: { server: 10.4.0.5, path: /x }, local-path: { default: true }')),
      'local-path',
    ],
    [
      'DNS-01 without a directory',
      home(components('cert-manager: { issuer: { dns01: { provider: cloudflare, zone: example.org } } }')),
      'dns01',
    ],
    [
      'SQLite on two machines',
      home(k3s('\n    datastore: sqlite'), ["'w-{1..2}', role: worker", "'w-{1..2}', role: control-plane"]),
      'sqlite',
    ],
    ['servicelb beside MetalLB', home(k3s(''), components('metallb: { addresses: [10.4.0.201] }')), 'kubernetes'],
    [
      'a host outside the tailnet',
      home(k3s('\n    tailnet: {}'), machine(`{ name: nas, role: worker, host: 10.4.0.60, hostKey: '${HOST_KEY}' }`)),
      '10.4.0.60',
    ],
  ])('%s', (_name, text, place) => {
    expect(compat(text)).toEqual([expect.stringContaining(` @ ${place}`)])
  })
})

test('a message cannot steer a terminal, turn text around or grow without end', () => {
  const nasty = '"\\e[31m\\u202Eevil\\u200B"'
  for (const text of [
    home(['kind: flannel', `kind: ${nasty}`]),
    home(['provider: pve', `provider: ${nasty}`]),
    home(['connection:', `${nasty}: 1\n      connection:`]),
  ]) {
    const texts = parse(text).problems.flatMap(({ what, remedy = '' }) => [what, remedy])
    expect(texts.join('')).toContain('evil')
    expect(texts.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  }
  const long = parse(home(['provider: pve', `provider: ${'x'.repeat(100_000)}`])).problems
  expect(Math.max(...long.map(({ what }) => what.length))).toBeLessThan(700)
})

test('a broken engine does not hide the other problems', () => {
  const text = home(['engine: flux', 'engine: fluxx'], ['10.4.0.11/24', '10.4.0.21/24'], ['bridge:', 'brigde:'])
  expect(parse(text).problems.map(({ code }) => code)).toEqual([
    'spec.unknown-field',
    'spec.address-taken',
    'spec.unknown-value',
  ])
})

test('a broken machine is not counted', () => {
  const text = home(['role: control-plane', 'role: boss'])
  expect(parse(text).problems.map(({ code }) => code)).toEqual(['spec.unknown-value'])
})

test('a problem says where, as an editor understands it', () => {
  const [problem] = parse(home(['cores: 2', 'cores: two'])).problems
  expect(problem).toMatchObject({ file: FILE, where: `${FILE}:${problem?.line}:${problem?.column}`, retry: 'never' })
})
