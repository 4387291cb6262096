import { fileURLToPath } from 'node:url'
import { actions } from '../../../runner/actions/index.ts'
import type { Journal, JournalEntry } from '../../../runner/engine/journal.ts'
import { runPlan } from '../../../runner/engine/run-plan.ts'
import { dialler } from '../../../runner/lan/dial.ts'
import { kubeClient } from '../../../runner/lan/kube-client.ts'
import type { KubeApi } from '../../../runner/lan/kube-api.ts'
import type { LanKeys } from '../../../runner/lan/keys.ts'
import type { Lan } from '../../../runner/lan/lan.ts'
import { fetchedSources } from '../../../runner/lan/source-fetch.ts'
import { sshRemote } from '../../../runner/lan/ssh-remote.ts'
import { systemClock } from '../../../runner/system-clock.ts'

import { lanWorld, MIRROR_ADDRESS, type LanFaults } from '../../../sim/lan-world/lan-world.ts'
import { scaledClock } from '../../../sim/clock.ts'
import { blueprint } from '../../../src/blueprint/blueprint.ts'
import { engineOf } from '../../../src/blueprint/engines.ts'
import { noFacts } from '../../../src/core/facts.ts'
import { planCluster } from '../../../src/core/plan-cluster.ts'
import type { Plan } from '../../../src/core/plan.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { RunEventBody } from '../../../src/core/run-event.ts'
import { parseClusterSpec } from '../../../src/core/spec/parse.ts'
import type { PlannedStep, StepKind } from '../../../src/core/step.ts'
import { newAgeKey } from '../../../src/secrets/age.ts'
import { newSshKey } from '../../../src/secrets/ssh-key.ts'

const HELM = fileURLToPath(new URL('../../../sim/helm/helm.js', import.meta.url))
/** Simulated seconds for each real one. */
const SPEED = 400
const REPOSITORY = {
  sshUrl: 'ssh://git@git.example/jane/homelab.git',
  branch: 'main',
  knownHosts: ['git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHalvLsOM8VYTNhEtfZLFoCg19AkdOiAURTTC9DR7VVh'],
}

export interface SiteMachine {
  readonly name: string
  readonly address: string
  readonly role: 'control-plane' | 'worker'
  /** Lines of the machine's entry in the file, e.g. `labels: { shelf: top }`. */
  readonly more?: string
}

export const CP_1: SiteMachine = { name: 'cp-1', address: '10.4.0.11', role: 'control-plane' }
export const W_1: SiteMachine = { name: 'w-1', address: '10.4.0.21', role: 'worker' }

export interface SiteOptions {
  readonly machines?: readonly SiteMachine[]
  readonly faults?: LanFaults
  readonly cni?: string
  readonly user?: string
  /** The `endpoint` section; without it the only control plane is its own. */
  readonly endpoint?: string
  readonly registerDeployKey?: (title: string, publicKey: string) => Promise<void>
  readonly probeDeployKey?: () => Promise<void>
}

/** Existing hosts on a simulated LAN, the spec that makes a cluster of them, and the runner's own hands. */
export async function bareSite(options: SiteOptions = {}) {
  const { machines = [CP_1, W_1], user = 'debian' } = options
  const site = await newSshKey('runner')
  const world = await lanWorld({
    clock: scaledClock(SPEED),
    seed: 7,
    faults: options.faults ?? {},
    bareHosts: machines.map(({ name, address }) => ({
      name,
      address,
      user,
      sshKeys: [site.publicKey],
      memoryMiB: 4096,
    })),
  })
  const file = 'clusters/home/cluster.yaml'
  const text = `apiVersion: slipway.dev/v1alpha1
kind: Cluster
metadata: { name: home }
spec:
  kubernetes: { distribution: kubeadm, version: 1.36.3 }
${options.endpoint === undefined ? '' : `  endpoint: ${options.endpoint}\n`}  network: { pods: 10.244.0.0/16, services: 10.96.0.0/12, cni: ${options.cni ?? '{ kind: cilium }'} }
  gitops: { engine: flux }
  mirrors:
    charts: { 'https://helm.cilium.io': 'http://${MIRROR_ADDRESS}/helm.cilium.io' }
    manifests: { 'https://github.com': 'http://${MIRROR_ADDRESS}/github.com' }
  machines:
${machines
  .map(
    ({ name, address, role, more }) => `    - name: ${name}
      role: ${role}
      host: ${address}
      user: ${user}
      hostKey: ${world.hosts.knownHost(name).split(' ').slice(1, 3).join(' ')}${more === undefined ? '' : `\n      ${more}`}
`,
  )
  .join('')}`
  const { spec, problems } = parseClusterSpec(text, file, { repository: REPOSITORY })
  if (spec === undefined) throw new Error(problems.map(({ what, line }) => `${line}: ${what}`).join('\n'))
  const keys = await memoryKeys(site)
  const dial = dialler(world.lan.socksUrl)
  let client: KubeApi | undefined
  const remote = sshRemote(dial, keys)
  const lan: Lan = {
    repository: 'local',
    spec,
    fence: 1,
    remote,
    proxmox: (name) => {
      throw new Error(`there is no Proxmox "${name}" here`)
    },
    kube: async () => {
      const kubeconfig = keys.kubeconfig()
      if (kubeconfig === undefined)
        throw new Problem({ code: 'kube.no-credentials', what: 'no kubeconfig yet', retry: 'later' })
      client ??= kubeClient(kubeconfig, dial, systemClock)
      return client
    },
    sources: fetchedSources(dial, keys, HELM),
    keys,
    engine: engineOf('flux'),
    forge: {
      registerDeployKey: options.registerDeployKey ?? (async () => undefined),
      probeDeployKey: options.probeDeployKey ?? (async () => undefined),
    },
    clock: systemClock,
  }
  const firstPlan = (): Plan => {
    const made = planCluster(spec, blueprint(spec), noFacts('home'))
    if (made.plan === undefined) throw new Error(made.problems.map(({ what }) => what).join('\n'))
    return made.plan
  }
  return {
    world,
    spec,
    keys,
    lan,
    firstPlan,
    /** Performs the steps of a plan that `wanted` keeps. */
    async run(plan: Plan, wanted: (step: PlannedStep) => boolean = () => true, hands: Lan = lan) {
      const events: RunEventBody[] = []
      const steps = plan.steps.filter(wanted)
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
        lan: hands,
        journal: memoryJournal(),
        clock: systemClock,
        emit: (event) => void events.push(event),
        signal: new AbortController().signal,
      })
      const done = events.flatMap((event) => (event.kind === 'step-done' ? [`${event.step} ${event.outcome}`] : []))
      return { outcome, events, done }
    },
    async [Symbol.asyncDispose]() {
      await client?.close()
      await remote.close()
      await world.close()
    },
  }
}

export type Site = Awaited<ReturnType<typeof bareSite>>

/** Steps of these kinds only. */
export const only =
  (...kinds: readonly StepKind[]) =>
  ({ step }: PlannedStep): boolean =>
    kinds.includes(step.kind)

/** All but what needs a repository that answers. */
export const withoutRepository = ({ step }: PlannedStep): boolean => step.kind !== 'point-engine'

async function memoryKeys(site: Awaited<ReturnType<typeof newSshKey>>): Promise<LanKeys> {
  const deployKey = await newSshKey('home')
  const ageKey = await newAgeKey()
  const hostKeys = new Map<string, string>()
  const artifacts: Record<string, string> = {}
  let kubeconfig: string | undefined
  let token: string | undefined
  let registered: string | undefined
  return {
    site: async () => site,
    deployKey: async () => deployKey,
    registeredKey: () => registered,
    recordRegisteredKey: (fingerprint) => void (registered = fingerprint),
    ageKey: async () => ageKey,
    hostKey: (machine) => hostKeys.get(machine),
    recordHostKey: (machine, publicKey) => void hostKeys.set(machine, publicKey),
    forgetHostKey: (machine) => void hostKeys.delete(machine),
    kubeconfig: () => kubeconfig,
    recordKubeconfig: (text) => void (kubeconfig = text),
    bootstrapToken: () => token,
    recordBootstrapToken: (made) => void (token = made),
    artifacts: () => artifacts,
    recordArtifact: (url, sha256) => void (artifacts[url] = sha256),
  }
}

function memoryJournal(): Journal {
  const entries: JournalEntry[] = []
  return { record: async (entry) => void entries.push(entry), entries: async () => entries }
}
