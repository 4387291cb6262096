import { describe, expect, test } from 'vitest'
import { noFacts, type Facts, type MachineFacts, type NodeFacts } from '../../src/core/facts.ts'
import { planCluster } from '../../src/core/plan-cluster.ts'
import type { Plan } from '../../src/core/plan.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import { applied, homeSpec, host, planOf, vm } from './plan-spec.ts'

function running(spec: ClusterSpec): Facts {
  return applied(planOf(spec), noFacts(spec.name))
}

const codes = (spec: ClusterSpec, facts: Facts) =>
  planCluster(spec, blueprint(spec), facts).problems.map(({ code }) => code)
const ids = (plan: Plan) => plan.steps.map(({ id }) => id)
const after = (plan: Plan, id: string) => plan.steps.find((step) => step.id === id)?.after

describe('a new cluster', () => {
  const plan = planOf(homeSpec())

  test('comes up in this order', () => {
    expect(ids(plan)).toMatchInlineSnapshot(`
      [
        "fetch-image/lab:pve1:local:debian-13-generic-amd64.qcow2",
        "fetch-image/lab:pve2:local:debian-13-generic-amd64.qcow2",
        "create-vm/cp-1",
        "create-vm/w-1",
        "create-vm/w-2",
        "start-vm/cp-1",
        "await-host/cp-1",
        "start-vm/w-1",
        "await-host/w-1",
        "start-vm/w-2",
        "await-host/w-2",
        "prepare-host/cp-1",
        "prepare-host/w-1",
        "prepare-host/w-2",
        "init-control-plane/cp-1",
        "apply-component/flannel",
        "join-node/w-1",
        "join-node/w-2",
        "register-deploy-key/home",
        "install-engine/flux",
        "point-engine/flux",
        "await-cluster/home",
      ]
    `)
  })

  test('an engine that is updated is pointed anew: it comes with objects of its own', () => {
    const done = applied(plan, noFacts('home'))
    const older = { ...done, gitops: { ...done.gitops!, installedDigest: '0'.repeat(64) } }
    expect(planOf(homeSpec(), older).steps.map(({ id }) => id)).toEqual([
      'install-engine/flux',
      'point-engine/flux',
      'await-cluster/home',
    ])
  })

  test('workers join side by side once the API answers; the engine waits for network and a place to run', () => {
    expect(after(plan, 'join-node/w-1')).toEqual(['init-control-plane/cp-1', 'prepare-host/w-1'])
    expect(after(plan, 'join-node/w-2')).toEqual(['init-control-plane/cp-1', 'prepare-host/w-2'])
    expect(after(plan, 'install-engine/flux')).toEqual([
      'apply-component/flannel',
      'init-control-plane/cp-1',
      'join-node/w-1',
    ])
    expect(after(plan, 'register-deploy-key/home')).toEqual([])
  })

  test('disturbs nothing and destroys nothing', () => {
    expect(plan.destroys).toEqual([])
    expect(plan.machines.map(({ machine, change, impact }) => [machine, change, impact])).toEqual([
      ['cp-1', 'joins', 'nothing'],
      ['w-1', 'joins', 'nothing'],
      ['w-2', 'joins', 'nothing'],
    ])
  })

  test('leaves nothing to plan once applied', () => {
    expect(planOf(homeSpec(), applied(plan, noFacts('home'))).steps).toEqual([])
  })
})

describe('a running cluster', () => {
  const spec = homeSpec()
  const facts = running(spec)
  const with3 = (change = {}) =>
    homeSpec({ machines: [...spec.machines, vm('w-3', { node: 'pve2', vmid: 413, address: '10.4.0.23', ...change })] })

  test('a worker that is added touches nothing else', () => {
    const plan = planOf(with3(), facts)
    expect(ids(plan)).toEqual([
      'create-vm/w-3',
      'start-vm/w-3',
      'await-host/w-3',
      'prepare-host/w-3',
      'join-node/w-3',
      'await-cluster/home',
    ])
    expect(plan.machines.filter(({ change }) => change !== 'untouched').map(({ machine }) => machine)).toEqual(['w-3'])
  })

  test('a label that changes is one live step', () => {
    const labelled = homeSpec({
      machines: spec.machines.map((m) => (m.name === 'w-1' ? { ...m, labels: { 'home/disk': 'ssd' } } : m)),
    })
    const plan = planOf(labelled, facts)
    expect(ids(plan)).toEqual(['label-node/w-1', 'await-cluster/home'])
    expect(plan.machines[1]).toEqual({
      machine: 'w-1',
      change: 'changes',
      impact: 'live',
      summary: 'label home/disk=ssd',
    })
    const taken = planOf(spec, applied(plan, facts))
    expect(taken.steps[0]?.step).toMatchObject({ kind: 'label-node', removeLabels: ['home/disk'] })
  })

  test('labels and taints of others stay, and so do those of Kubernetes and of vendors', () => {
    const seen = nodeOf(facts, 'w-1', {
      labels: { 'other/label': 'x', 'nvidia.com/gpu.count': '2', 'kubernetes.io/hostname': 'w-1' },
      taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }],
      managedLabels: ['nvidia.com/gpu.count', 'kubernetes.io/hostname'],
      managedTaints: ['node.kubernetes.io/unreachable'],
    })
    expect(planOf(spec, seen).steps).toEqual([])
  })

  test('a taint whose effect changes is taken away and set', () => {
    const tainted = (effect: 'NoSchedule' | 'NoExecute') =>
      homeSpec({
        machines: spec.machines.map((m) => (m.name === 'w-1' ? { ...m, taints: [{ key: 'home/gpu', effect }] } : m)),
      })
    const before = running(tainted('NoSchedule'))
    const plan = planOf(tainted('NoExecute'), before)
    expect(plan.steps[0]?.step).toMatchObject({ removeTaints: [{ key: 'home/gpu', effect: 'NoSchedule' }] })
    expect(plan.steps[0]?.impact).toBe('drain')
    expect(planOf(tainted('NoExecute'), applied(plan, before)).steps).toEqual([])
  })

  test('more memory reboots, one machine at a time; a larger disk does not', () => {
    const larger = homeSpec({
      machines: spec.machines.map((m) => (m.role === 'worker' && m.kind === 'vm' ? { ...m, memoryMiB: 16_384 } : m)),
    })
    const plan = planOf(larger, facts)
    expect(ids(plan)).toEqual([
      'resize-vm/w-1',
      'await-host/w-1',
      'resize-vm/w-2',
      'await-host/w-2',
      'await-cluster/home',
    ])
    expect(after(plan, 'resize-vm/w-2')).toEqual(['await-host/w-1'])
    expect(plan.machines[1]).toMatchObject({ impact: 'reboot', summary: 'memory 8 GiB → 16 GiB' })

    const disk = homeSpec({ machines: spec.machines.map((m) => (m.kind === 'vm' ? { ...m, diskGiB: 120 } : m)) })
    expect(planOf(disk, facts).machines.map(({ impact }) => impact)).toEqual(['live', 'live', 'live'])
  })

  test('a mirror that is added restarts the runtime of members one after another', () => {
    const mirrors = { ...spec.mirrors, containerImages: { 'docker.io': 'http://10.4.0.5:5000' } }
    const plan = planOf(homeSpec({ mirrors }), facts)
    expect(plan.steps.filter(({ impact }) => impact === 'restart').map(({ id, after: waits }) => [id, waits])).toEqual([
      ['prepare-host/cp-1', []],
      ['prepare-host/w-1', ['prepare-host/cp-1']],
      ['prepare-host/w-2', ['prepare-host/w-1']],
    ])
  })

  test('a worker that is taken out is drained, removed and destroyed, by name', () => {
    const grown = running(with3())
    const stray = {
      connection: 'lab',
      node: 'pve2',
      vmid: 413,
      name: 'w-3',
      disks: [{ volume: 'local-zfs:vm-413-disk-0', sizeGiB: 100 }],
    }
    const { 'w-3': _, ...machines } = grown.machines
    const plan = planOf(spec, { ...grown, machines, strays: [stray] })
    expect(ids(plan)).toEqual(['drain-node/w-3', 'remove-node/w-3', 'destroy-vm/w-3', 'await-cluster/home'])
    expect(plan.destroys).toEqual([
      { kind: 'machine', name: 'w-3', detail: 'VM 413 on pve2 with its disk local-zfs:vm-413-disk-0 (100 GiB)' },
    ])
    expect(plan.machines.at(-1)).toMatchObject({ machine: 'w-3', change: 'leaves', impact: 'data-loss' })
    expect(planOf(spec, applied(plan, { ...grown, machines, strays: [stray] })).steps).toEqual([])
  })

  test('a worker whose VM is gone is taken out and made anew', () => {
    const { 'w-1': gone, ...machines } = facts.machines
    expect(gone).toBeDefined()
    const plan = planOf(spec, { ...facts, machines: { ...machines, 'w-1': {} } })
    expect(ids(plan).slice(0, 2)).toEqual(['remove-node/w-1', 'create-vm/w-1'])
    expect(plan.machines[1]).toMatchObject({ change: 'joins', impact: 'replace' })
  })

  test('a VM that was moved to another Proxmox node is left where it is', () => {
    const moved = machineOf(facts, 'w-1', ({ vm: seen, ...rest }) => ({ ...rest, vm: { ...seen!, node: 'pve2' } }))
    expect(planOf(spec, moved).steps).toEqual([])
  })

  test('a VM that is off is switched on', () => {
    const off = machineOf(facts, 'w-1', ({ vm: seen, ...rest }) => ({ ...rest, vm: { ...seen!, running: false } }))
    expect(ids(planOf(spec, off))).toEqual(['start-vm/w-1', 'await-host/w-1', 'await-cluster/home'])
  })

  test('a member that did not answer is asked again, and not said to have changed', () => {
    const away = machineOf(facts, 'w-1', ({ vm: seen }) => ({ vm: seen!, host: { reachable: false, kubeadm: 'none' } }))
    const plan = planOf(spec, away)
    expect(ids(plan)).toEqual(['await-host/w-1', 'prepare-host/w-1', 'await-cluster/home'])
    expect(plan.machines[1]?.summary).toMatch(/^did not answer when last asked/)
  })

  test('an optional machine that is away stops nobody', () => {
    const laptop = homeSpec({ machines: [...spec.machines, host('laptop', { optional: true })] })
    const away = {
      ...facts,
      machines: { ...facts.machines, laptop: { host: { reachable: false, kubeadm: 'none' as const } } },
    }
    const plan = planOf(laptop, away)
    expect(plan.steps).toEqual([])
    expect(plan.machines.at(-1)?.summary).toBe('not reachable; optional, so left for another time')
  })
})

describe('what is refused', () => {
  const spec = homeSpec()
  const facts = running(spec)
  const foreign = (change: object) =>
    machineOf(facts, 'w-1', ({ vm: seen, ...rest }) => ({ ...rest, vm: { ...seen!, ...change } }))

  test('a VM of somebody else on our id', () => {
    expect(codes(spec, foreign({ owner: 'nobody', name: 'nas' }))).toEqual(['plan.vm-not-ours'])
    expect(codes(spec, foreign({ owner: 'other-cluster' }))).toEqual(['plan.vm-not-ours'])
  })

  test('another Kubernetes version than the one that runs', () => {
    const older = homeSpec({ kubernetes: { ...spec.kubernetes, version: '1.36.4' } as ClusterSpec['kubernetes'] })
    expect(codes(older, facts)).toEqual(['plan.upgrade-not-yet-supported'])
  })

  test('a control plane that would leave, a disk that would shrink, a name or an id that moved: all at once', () => {
    const changed = homeSpec({
      machines: [
        vm('cp-9', { role: 'control-plane', vmid: 409, address: '10.4.0.19' }),
        ...spec.machines.slice(1).map((m) => (m.name === 'w-1' && m.kind === 'vm' ? { ...m, diskGiB: 20 } : m)),
      ],
    })
    expect(codes(changed, foreign({}))).toEqual([
      'plan.disk-cannot-shrink',
      'plan.control-plane-removal-not-yet-supported',
    ])
    expect(codes(spec, foreign({ name: 'w-old' }))).toEqual(['plan.machine-renamed'])
    const stray = { connection: 'lab', node: 'pve1', vmid: 499, name: 'w-2', disks: [] }
    expect(codes(spec, { ...facts, strays: [stray] })).toEqual(['plan.id-changed'])
  })

  test('a node of another cluster, and an address where something answers already', () => {
    const other = machineOf(facts, 'w-1', (seen) => ({ ...seen, host: { reachable: true, kubeadm: 'another' } }))
    expect(codes(spec, other)).toEqual(['plan.host-not-ours'])
    const taken = { ...noFacts('home'), machines: { 'w-1': { host: { reachable: true, kubeadm: 'none' as const } } } }
    expect(codes(spec, taken)).toEqual(['plan.address-in-use'])
  })

  test('another engine or network than the one that is there', () => {
    expect(codes(homeSpec({ gitops: { ...spec.gitops, engine: 'argocd', version: '3.4.4' } }), facts)).toEqual([
      'plan.not-yet-supported',
    ])
  })

  test('making a cluster over one whose API does not answer', () => {
    const ha = homeSpec({
      endpoint: { host: '10.4.0.10', port: 6443, keptBy: 'external', certSANs: [] },
      machines: [
        ...spec.machines,
        vm('cp-2', { role: 'control-plane', vmid: 402, address: '10.4.0.12' }),
        vm('cp-3', { role: 'control-plane', vmid: 403, address: '10.4.0.13' }),
      ],
    })
    const seen = {
      ...noFacts('home'),
      machines: { 'cp-2': { host: { reachable: true, kubeadm: 'this-cluster' as const } } },
    }
    expect(codes(ha, seen)).toContain('plan.cluster-not-seen')
    const plan = planOf(ha)
    expect(after(plan, 'join-node/cp-3')).toContain('join-node/cp-2')
  })
})

function machineOf(facts: Facts, name: string, change: (machine: MachineFacts) => MachineFacts): Facts {
  return { ...facts, machines: { ...facts.machines, [name]: change(facts.machines[name] ?? {}) } }
}

function nodeOf(facts: Facts, name: string, change: Partial<NodeFacts>): Facts {
  const kubernetes = facts.kubernetes!
  const node = { ...kubernetes.nodes[name]!, ...change }
  return { ...facts, kubernetes: { ...kubernetes, nodes: { ...kubernetes.nodes, [name]: node } } }
}
