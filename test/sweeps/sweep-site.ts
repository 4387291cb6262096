import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { actions as shipped } from '../../runner/actions/index.ts'
import { readRunnerConfig } from '../../runner/config.ts'
import type { Actions } from '../../runner/engine/action.ts'
import type { JournalEntry } from '../../runner/engine/journal.ts'
import { runPlan, type RunOutcome } from '../../runner/engine/run-plan.ts'
import { gatherFacts } from '../../runner/facts/gather.ts'
import { fileKeystore } from '../../runner/keystore.ts'
import type { Lan } from '../../runner/lan/lan.ts'
import { openLan } from '../../runner/lan/open-lan.ts'
import { systemClock } from '../../runner/system-clock.ts'
import { simGithub } from '../../sim/github/server.ts'
import { MIRROR_ADDRESS, type LanFaults } from '../../sim/lan-world/lan-world.ts'
import { simWorld } from '../../sim/lan-world/world.ts'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import { planCluster } from '../../src/core/plan-cluster.ts'
import { parseClusterSpec } from '../../src/core/spec/parse.ts'
import type { Clock } from '../../src/seams/clock.ts'

/** Simulated seconds for each real one. */
const SPEED = 1_000
/** The runner's own waits are this much shorter. */
const HASTE = 50
/** Runs until a cluster must be whole: the one that is broken, and those after it. */
const MAX_RUNS = 4
const NAME = 'house/homelab'

const clock: Clock = { now: () => systemClock.now(), sleep: (ms, signal) => systemClock.sleep(ms / HASTE, signal) }

export interface RunOptions {
  readonly actions?: Actions<Lan>
  /** Called before the journal keeps its nth entry, from 1; what it throws is a crash at that boundary. */
  readonly onEntry?: (n: number, entry: JournalEntry, stop: () => void) => void
}

/** One control plane and one worker to be made on a simulated Proxmox, following a repository that answers. */
export async function sweepSite() {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-sweep-'))
  const forge = await simGithub({ seed: 7 })
  await forge.createUser('ada')
  await forge.createRepo(NAME, { 'README.md': '# lab\n' })
  await forge.grant(NAME, 'ada', 'write')
  const world = await simWorld({ seed: 7, speed: SPEED })
  writeFileSync(join(folder, 'token'), world.proxmox.authorization.replace('PVEAPIToken=', ''), { mode: 0o600 })
  const file = join(folder, 'runner.yaml')
  writeFileSync(file, runnerText(world.lan.socksUrl, world.proxmox), { mode: 0o600 })
  const config = readRunnerConfig(file)
  const keys = fileKeystore(config.state)
  const { spec, problems } = parseClusterSpec(CLUSTER, 'clusters/home/cluster.yaml', {
    repository: {
      sshUrl: await forge.sshUrl(NAME),
      branch: 'main',
      knownHosts: forge.knownHosts.trim().split('\n'),
    },
  })
  if (spec === undefined) throw new Error(problems.map(({ what }) => what).join('\n'))
  const drawn = blueprint(spec)
  await forge.commit(NAME, {
    branch: 'main',
    author: 'ada',
    files: Object.fromEntries([...drawn.bundle, ...drawn.seed]),
  })
  let fence = 0
  /** The LAN as a runner that has just started opens it. */
  const open = () =>
    openLan(
      config,
      keys,
      {
        repository: 'local',
        spec,
        fence: ++fence,
        // To the repository's server a key is a key, whoever is told of it.
        registerDeployKey: (_title, publicKey) => forge.addUserKey('ada', publicKey),
      },
      clock,
    )
  const planFor = async (lan: Lan) => {
    const { plan, problems: refusals } = planCluster(spec, drawn, await gatherFacts(spec, lan))
    if (plan === undefined) throw new Error(refusals.map(({ what }) => what).join('\n'))
    return plan
  }

  const site = {
    world,
    setFaults(faults: LanFaults & { readonly proxmox?: Parameters<typeof world.proxmox.control.setFaults>[0] }) {
      world.setFaults(faults)
      if (faults.proxmox !== undefined) world.proxmox.control.setFaults(faults.proxmox)
    },
    /** A runner's start, look, plan and run; its end is that of the process. */
    async run({ actions = shipped, onEntry = () => undefined }: RunOptions = {}): Promise<RunOutcome> {
      await using lan = await open()
      const stop = new AbortController()
      let entries = 0
      return await runPlan({
        job: 'job-1',
        plan: await planFor(lan),
        actions,
        lan,
        journal: {
          record: async (entry) => onEntry(++entries, entry, () => stop.abort()),
          entries: async () => [],
        },
        clock,
        emit: () => undefined,
        signal: stop.signal,
      })
    },
    /** Runs as often as a person would ask for it, until nothing is left to do. */
    async finish(): Promise<void> {
      const said: string[] = []
      for (let run = 1; run < MAX_RUNS; run++) {
        const outcome = await site.run()
        if (outcome.outcome === 'succeeded') return
        said.push(outcome.outcome === 'stopped' ? outcome.failed.map(({ problem }) => problem.what).join('; ') : '')
      }
      throw new Error(`not whole after ${MAX_RUNS} runs: ${said.join(' | ')}`)
    },
    /** What must be the same however it came to be. */
    async state() {
      await using lan = await open()
      const done = world.hosts.names().flatMap((name) => world.hosts.mutations(name))
      const cluster = world.kube.clusterAt('10.4.0.11:6443')
      const nodes = await cluster?.kubectl(['get', 'nodes', '--no-headers'], '')
      return {
        left: (await planFor(lan)).steps.map(({ id }) => id),
        nodes: nodes?.stdout
          .trimEnd()
          .split('\n')
          .map((line) => line.split(/\s+/).slice(0, 2).join(' ')),
        vms: world.proxmox.control
          .vms()
          .map(({ vmid, running }) => `${vmid} ${running ? 'runs' : 'is off'}`)
          .toSorted(),
        etcd: cluster?.etcdMembers().map(({ name, learner }) => ({ name, learner })),
        // An init that was cut off in the middle is reset, and made again.
        inits: done.slice(done.lastIndexOf('kubeadm reset') + 1).filter((what) => what === 'kubeadm init').length,
        joins: done.filter((what) => what.startsWith('kubeadm join')).length,
      }
    },
    async [Symbol.asyncDispose]() {
      await world.close()
      await forge[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return site
}

/** The one end of all. */
export const WHOLE = {
  left: [],
  nodes: ['cp-1 Ready', 'w-1 Ready'],
  vms: ['401 runs', '402 runs'],
  etcd: [{ name: 'cp-1', learner: false }],
  inits: 1,
  joins: 1,
}

function runnerText(
  proxy: string,
  { url, fingerprint }: { readonly url: string; readonly fingerprint: string },
): string {
  return `proxy: ${proxy}
connections:
  lab: { kind: proxmox, url: '${url}', tokenFile: token, tls: { check: fingerprint, sha256: '${fingerprint}' } }
`
}

const CLUSTER = `apiVersion: slipway.dev/v1alpha1
kind: Cluster
metadata: { name: home }
spec:
  kubernetes: { distribution: kubeadm, version: 1.36 }
  network: { pods: 10.244.0.0/16, services: 10.96.0.0/16, cni: { kind: flannel } }
  providers:
    pve: { kind: proxmox, connection: lab, image: debian-13, storage: local-lvm, bridge: vmbr0, gateway: 10.4.0.1 }
  machines:
    - { name: cp-1, role: control-plane, provider: pve, node: pve1, id: 401, address: 10.4.0.11/24, cores: 2, memory: 4GiB, disk: 40GiB }
    - { name: w-1, role: worker, provider: pve, node: pve1, id: 402, address: 10.4.0.12/24, cores: 2, memory: 4GiB, disk: 40GiB, labels: { homelab/shelf: upper } }
  gitops: { engine: flux }
  mirrors:
    manifests: { 'https://github.com': 'http://${MIRROR_ADDRESS}/github.com' }
`
