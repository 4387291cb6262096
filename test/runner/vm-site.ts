import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { actions } from '../../runner/actions/index.ts'
import type { RunnerConfig } from '../../runner/config.ts'
import { readRunnerConfig } from '../../runner/config.ts'
import type { Journal } from '../../runner/engine/journal.ts'
import { runPlan } from '../../runner/engine/run-plan.ts'
import { fileKeystore } from '../../runner/keystore.ts'
import type { Lan } from '../../runner/lan/lan.ts'
import { openLan } from '../../runner/lan/open-lan.ts'
import { systemClock } from '../../runner/system-clock.ts'
import { MIRROR_ADDRESS } from '../../sim/lan-world/lan-world.ts'
import { simWorld, type SimWorldOptions } from '../../sim/lan-world/world.ts'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import { noFacts, type Facts } from '../../src/core/facts.ts'
import { planCluster } from '../../src/core/plan-cluster.ts'
import type { Plan } from '../../src/core/plan.ts'
import type { RunEventBody } from '../../src/core/run-event.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import { parseClusterSpec } from '../../src/core/spec/parse.ts'
import type { StepKind } from '../../src/core/step.ts'

const HELM = fileURLToPath(new URL('../../sim/helm/helm.js', import.meta.url))
/** Simulated seconds for each real one. */
const SPEED = 200
const REPOSITORY = {
  sshUrl: 'ssh://git@git.example/jane/homelab.git',
  branch: 'main',
  knownHosts: ['git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHalvLsOM8VYTNhEtfZLFoCg19AkdOiAURTTC9DR7VVh'],
}

export interface VmSiteOptions {
  readonly world?: Omit<SimWorldOptions, 'speed'>
  /** What machines are made from, e.g. `template: 9000`; an image when left out. */
  readonly source?: string
  /** How the runner knows the hypervisor; by its authority when left out. */
  readonly trust?: 'ca' | 'fingerprint'
}

/** The cluster file, with the settings of cp-1 that a test changes. */
export function clusterText({ source = 'image: debian-13', memory = '4GiB', disk = '40GiB' } = {}): string {
  return `apiVersion: slipway.dev/v1alpha1
kind: Cluster
metadata: { name: home }
spec:
  kubernetes: { distribution: kubeadm, version: 1.36.3 }
  network: { pods: 10.244.0.0/16, services: 10.96.0.0/12, cni: { kind: cilium } }
  providers:
    pve:
      kind: proxmox
      connection: lab
      ${source}
      storage: local-lvm
      bridge: vmbr0
      gateway: 10.4.0.1
  machines:
    - { name: cp-1, role: control-plane, provider: pve, node: pve1, id: 401, address: 10.4.0.11/24, cores: 2, memory: ${memory}, disk: ${disk} }
  gitops: { engine: flux }
  mirrors:
    charts: { 'https://helm.cilium.io': 'http://${MIRROR_ADDRESS}/helm.cilium.io' }
    manifests: { 'https://github.com': 'http://${MIRROR_ADDRESS}/github.com' }
`
}

export function parsed(text: string): ClusterSpec {
  const { spec, problems } = parseClusterSpec(text, 'clusters/home/cluster.yaml', { repository: REPOSITORY })
  if (spec === undefined) throw new Error(problems.map(({ what, line }) => `${line}: ${what}`).join('\n'))
  return spec
}

/** A simulated Proxmox VE and its machines, a runner's folder, and the LAN as the runner opens it. */
export async function vmSite(options: VmSiteOptions = {}) {
  const world = await simWorld({ seed: 7, ...options.world, speed: SPEED })
  const folder = mkdtempSync(join(tmpdir(), 'slipway-lan-'))
  const token = world.proxmox.authorization.replace('PVEAPIToken=', '')
  writeFileSync(join(folder, 'token'), `${token}\n`, { mode: 0o600 })
  writeFileSync(join(folder, 'ca.pem'), world.proxmox.caPem)
  const address = '10.4.0.2:8006'
  world.lan.register('10.4.0.2', 8006, Number(new URL(world.proxmox.url).port))
  const tls =
    options.trust === 'ca'
      ? '{ check: ca, file: ca.pem }'
      : `{ check: fingerprint, sha256: '${world.proxmox.fingerprint}' }`
  const file = join(folder, 'runner.yaml')
  writeFileSync(
    file,
    `proxy: ${world.lan.socksUrl}
connections:
  lab: { kind: proxmox, url: 'https://${address}', tokenFile: token, tls: ${tls} }
tools: { helm: '${HELM}' }
`,
  )
  chmodSync(file, 0o600)
  const config: RunnerConfig = readRunnerConfig(file)
  const keys = fileKeystore(join(folder, 'state'))
  const open: (Lan & AsyncDisposable)[] = []
  /** The LAN for a spec; closed with the site. */
  const lanOf = async (spec: ClusterSpec): Promise<Lan> => {
    const lan = await openLan(config, keys, {
      repository: 'local',
      spec,
      fence: 1,
      registerDeployKey: async () => undefined,
    })
    open.push(lan)
    return lan
  }
  const spec = parsed(clusterText(options.source === undefined ? {} : { source: options.source }))
  return {
    world,
    folder,
    token,
    config,
    keys,
    spec,
    lan: await lanOf(spec),
    lanOf,
    plan(wanted: ClusterSpec = spec, facts: Facts = noFacts('home')): Plan {
      const made = planCluster(wanted, blueprint(wanted), facts)
      if (made.plan === undefined) throw new Error(made.problems.map(({ what }) => what).join('\n'))
      return made.plan
    },
    /** Performs the steps of these kinds. */
    async run(lan: Lan, plan: Plan, kinds: readonly StepKind[]) {
      const events: RunEventBody[] = []
      const steps = plan.steps.filter(({ step }) => kinds.includes(step.kind))
      const kept = new Set(steps.map(({ id }) => id))
      // What waited for a step that is left out waits for what that one waited for.
      const before = (ids: readonly string[]): readonly string[] => [
        ...new Set(
          ids.flatMap((id) => (kept.has(id) ? [id] : before(plan.steps.find((step) => step.id === id)?.after ?? []))),
        ),
      ]
      const outcome = await runPlan({
        job: 'job-1',
        plan: { ...plan, steps: steps.map((step) => ({ ...step, after: before(step.after) })) },
        actions,
        lan,
        journal: NO_JOURNAL,
        clock: systemClock,
        emit: (event) => void events.push(event),
        signal: new AbortController().signal,
      })
      const done = events.flatMap((event) => (event.kind === 'step-done' ? [`${event.step} ${event.outcome}`] : []))
      return { outcome, done, events }
    },
    async [Symbol.asyncDispose]() {
      for (const lan of open) await lan[Symbol.asyncDispose]()
      await world.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Steps that end with a machine that answers. */
export const MAKING = ['fetch-image', 'create-vm', 'start-vm', 'await-host'] as const satisfies readonly StepKind[]

const NO_JOURNAL: Journal = { record: async () => undefined, entries: async () => [] }

/** Everything but what asks the repository's server. */
export const STEP_KINDS_WITHOUT_REPOSITORY: readonly StepKind[] = [
  ...MAKING,
  'prepare-host',
  'init-control-plane',
  'join-node',
  'label-node',
  'apply-component',
  'install-engine',
  'await-cluster',
]
