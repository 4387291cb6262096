import { existsSync, readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import type { ClusterSpec, Kubeadm } from '../../src/core/spec/cluster-spec.ts'
import type { KubeadmDocument } from '../../src/core/steps/kubeadm.ts'
import { machinesOf } from '../../templates/machines/index.ts'
import { homeSpec, host, vm } from '../core/plan-spec.ts'

const SCHEMAS = '../shared/schemas/kubeadm'
const base = homeSpec()
const kubeadm = base.kubernetes as Kubeadm

const cilium = homeSpec({
  network: {
    ...base.network,
    cni: {
      kind: 'cilium',
      version: '1.20.0',
      encryption: 'wireguard',
      routing: 'tunnel',
      gatewayApi: false,
      ingress: false,
      hubble: { relay: false, ui: false },
    },
  },
  kubernetes: { ...kubeadm, kubelet: { maxPods: 200, featureGates: { SomeGate: true } }, firewall: 'managed' },
  machines: [
    ...base.machines,
    vm('cp-2', { role: 'control-plane', vmid: 402, address: '10.4.0.12' }),
    host('gpu-1', { taints: [{ key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' }] }),
  ],
  endpoint: { host: 'api.home.example', port: 6443, keptBy: 'external', certSANs: ['100.64.0.1'] },
})
const single = homeSpec({ machines: base.machines.slice(0, 1) })

function document(spec: ClusterSpec, machine: string, kind: string): KubeadmDocument {
  const found = machinesOf(spec).kubeadm[machine]?.config.find((each) => each.kind === kind)
  if (found === undefined) throw new Error(`${machine} has no ${kind}`)
  return found
}

describe('kubeadm documents', () => {
  test.skipIf(!existsSync(SCHEMAS) && process.env['CI'] === undefined)(
    'are valid by the official schemas (skipped without ../shared)',
    () => {
      const ajv = new Ajv({ strict: false, validateFormats: false })
      const check = (doc: KubeadmDocument): void => {
        const version = doc.apiVersion.split('/')[1]
        const schema: object = JSON.parse(
          readFileSync(`${SCHEMAS}/${doc.kind.toLowerCase()}-${version}.schema.json`, 'utf8'),
        )
        const validate = ajv.compile(schema)
        // The runner adds discovery with its token; a placeholder stands for it here.
        const whole =
          doc.kind === 'JoinConfiguration'
            ? {
                ...doc,
                discovery: {
                  bootstrapToken: { token: 'abcdef.0123456789abcdef', apiServerEndpoint: 'a:6443', caCertHashes: [] },
                },
              }
            : doc
        validate(whole)
        expect(validate.errors).toBeNull()
        expect(validate({ ...whole, surprise: 1 })).toBe(false)
      }
      let checked = 0
      for (const spec of [base, cilium, single])
        for (const { config } of Object.values(machinesOf(spec).kubeadm))
          for (const doc of config) {
            check(doc)
            checked++
          }
      expect(checked).toBeGreaterThan(12)
    },
  )

  test('init carries the exact version, the endpoint and the networks', () => {
    expect(document(base, 'cp-1', 'ClusterConfiguration')).toMatchObject({
      kubernetesVersion: 'v1.36.3',
      controlPlaneEndpoint: '10.4.0.11:6443',
      networking: { podSubnet: '10.244.0.0/16', serviceSubnet: '10.96.0.0/16' },
      apiServer: { certSANs: ['10.4.0.11'] },
    })
    expect(document(cilium, 'cp-1', 'ClusterConfiguration')).toMatchObject({
      apiServer: { certSANs: ['api.home.example', '100.64.0.1', '10.4.0.11', '10.4.0.12'] },
    })
    expect(machinesOf(base).kubeadm['cp-1']?.config.map(({ kind }) => kind)).toEqual([
      'InitConfiguration',
      'ClusterConfiguration',
      'KubeletConfiguration',
      'KubeProxyConfiguration',
    ])
  })

  test('Cilium does without kube-proxy, now and after an upgrade', () => {
    expect(document(cilium, 'cp-1', 'InitConfiguration')['skipPhases']).toEqual(['addon/kube-proxy'])
    expect(document(cilium, 'cp-1', 'ClusterConfiguration')['proxy']).toEqual({ disabled: true })
    expect(machinesOf(cilium).kubeadm['cp-1']?.config.some(({ kind }) => kind === 'KubeProxyConfiguration')).toBe(false)
  })

  test('pods run on the only node there is, and not on control planes beside workers', () => {
    expect(document(single, 'cp-1', 'InitConfiguration')['nodeRegistration']).toMatchObject({ taints: [] })
    expect(document(base, 'cp-1', 'InitConfiguration')['nodeRegistration']).toMatchObject({
      taints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }],
    })
    expect(document(cilium, 'gpu-1', 'JoinConfiguration')['nodeRegistration']).toMatchObject({
      taints: [{ key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' }],
    })
  })

  test('every node is told its name, its address and its runtime', () => {
    for (const [name, { config }] of Object.entries(machinesOf(cilium).kubeadm)) {
      const address = cilium.machines.find((machine) => machine.name === name)?.address
      expect(config[0]?.['nodeRegistration']).toMatchObject({
        name,
        criSocket: 'unix:///run/containerd/containerd.sock',
        kubeletExtraArgs: [{ name: 'node-ip', value: address }],
      })
    }
  })

  test('a control plane that joins says where its API listens; a worker does not', () => {
    expect(document(cilium, 'cp-2', 'JoinConfiguration')['controlPlane']).toEqual({
      localAPIEndpoint: { advertiseAddress: '10.4.0.12', bindPort: 6443 },
    })
    expect(document(cilium, 'w-1', 'JoinConfiguration')['controlPlane']).toBeUndefined()
  })
})

describe('recipes', () => {
  const recipe = (spec: ClusterSpec, machine: string) => {
    const found = machinesOf(spec).recipes[machine]
    if (found === undefined) throw new Error(`no recipe for ${machine}`)
    return found
  }

  test('pin and hold what must not move by itself', () => {
    expect(recipe(base, 'w-1').packages.filter(({ hold }) => hold)).toEqual([
      { name: 'containerd.io', version: '2.3.*', hold: true },
      { name: 'kubeadm', version: '1.36.3-*', hold: true },
      { name: 'kubectl', version: '1.36.3-*', hold: true },
      { name: 'kubelet', version: '1.36.3-*', hold: true },
    ])
    const exact = homeSpec({ kubernetes: { ...kubeadm, runtime: { kind: 'containerd', version: '2.2.4' } } })
    expect(recipe(exact, 'w-1').packages.find(({ name }) => name === 'containerd.io')?.version).toBe('2.2.4-*')
  })

  test('take packages from where the spec says', () => {
    expect(recipe(base, 'w-1').repositories.map(({ line }) => line)).toEqual([
      'https://download.docker.com/linux/$os $codename stable',
      'https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /',
    ])
    const packages = {
      'https://pkgs.k8s.io': 'http://10.4.0.5/k8s',
      'https://download.docker.com/': 'http://10.4.0.5/docker/',
    }
    const mirrored = homeSpec({ mirrors: { ...base.mirrors, packages } })
    expect(recipe(mirrored, 'w-1').repositories.map(({ line, keyUrl }) => [line, keyUrl])).toEqual([
      ['http://10.4.0.5/docker/linux/$os $codename stable', 'http://10.4.0.5/docker/linux/$os/gpg'],
      ['http://10.4.0.5/k8s/core:/stable:/v1.36/deb/ /', 'http://10.4.0.5/k8s/core:/stable:/v1.36/deb/Release.key'],
    ])
  })

  test('write containerd its configuration whole, with the mirrors of registries beside it', async () => {
    const mirrors = { ...base.mirrors, containerImages: { 'docker.io': 'http://10.4.0.5:5000' } }
    const files = recipe(homeSpec({ mirrors }), 'w-1').files
    await expect(files.map(({ path, content }) => `## ${path}\n${content}`).join('\n')).toMatchFileSnapshot(
      '../golden/machines/containerd.txt',
    )
    const old = homeSpec({
      kubernetes: { ...kubeadm, version: '1.35.4', runtime: { kind: 'containerd', version: '1.7.28' } },
    })
    expect(recipe(old, 'w-1').files[0]?.content).toContain('version = 2')
  })

  test('open what the role and the network need, to whom it concerns', () => {
    const ports = (machine: string) => {
      const { firewall } = recipe(cilium, machine)
      return firewall.kind === 'none' ? [] : firewall.rules.map(({ protocol, ports: range }) => `${range}/${protocol}`)
    }
    expect(recipe(base, 'w-1').firewall).toEqual({ kind: 'none' })
    expect(ports('cp-1')).toEqual(
      expect.arrayContaining(['22/tcp', '6443/tcp', '2379-2380/tcp', '51871/udp', '8472/udp']),
    )
    expect(ports('w-1')).not.toContain('6443/tcp')
    expect(ports('w-1')).not.toContain('2379-2380/tcp')
  })

  test('stay as they are when another machine joins in the same subnet', () => {
    const joined = { ...cilium, machines: [...cilium.machines, vm('w-9', { vmid: 429, address: '10.4.0.99' })] }
    expect(recipe(joined, 'w-1')).toEqual(recipe(cilium, 'w-1'))
    const { firewall } = recipe(cilium, 'w-1')
    const sources = firewall.kind === 'none' ? [] : firewall.rules.flatMap(({ from }) => from)
    expect(new Set(sources)).toEqual(new Set(['10.4.0.0/24', '10.4.0.31/32', '10.244.0.0/16']))
  })

  test('refuse what cannot be prepared yet', () => {
    const crio = homeSpec({ kubernetes: { ...kubeadm, runtime: { kind: 'crio' } } })
    expect(() => machinesOf(crio)).toThrow('spec.not-yet-supported')
  })
})
