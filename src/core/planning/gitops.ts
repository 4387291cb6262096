import { digest } from '../canonical.ts'
import { isMember, type Situation } from './situation.ts'
import { runnerComponents, sourceMirrors } from './component.ts'
import type { PlanDraft } from './draft.ts'
import { initId } from './kubeadm.ts'

const ENGINE_NAMES = { flux: 'Flux', argocd: 'Argo CD', fleet: 'Fleet' } as const

/** Deploy key, engine, and the engine's way to the repository. */
export function planGitops(situation: Situation, draft: PlanDraft): void {
  const { spec, blueprint, facts } = situation
  const { gitops } = spec
  const present = facts.gitops
  const title = ENGINE_NAMES[gitops.engine]
  const key = `register-deploy-key/${spec.name}`
  if (present?.deployKey?.registered !== true)
    draft.add({
      id: key,
      step: {
        kind: 'register-deploy-key',
        cluster: spec.name,
        repository: gitops.repository,
        title: `Slipway cluster ${spec.name} (read-only)`,
      },
      impact: 'nothing',
      summary: 'read-only deploy key, made on the LAN',
    })

  const { install, point } = blueprint.engine
  const componentsDigest = digest(install)
  const engine = `install-engine/${gitops.engine}`
  if (present?.engine !== gitops.engine || present.installedDigest !== componentsDigest)
    draft.add({
      id: engine,
      step: {
        kind: 'install-engine',
        cluster: spec.name,
        engine: gitops.engine,
        version: gitops.version,
        components: install,
        componentsDigest,
        mirrors: sourceMirrors(spec),
        kubernetesVersion: spec.kubernetes.version,
      },
      after: [
        initId(situation),
        ...runnerComponents(blueprint).map(({ name }) => `apply-component/${name}`),
        ...firstWorker(situation, draft),
      ],
      impact: present?.installedDigest === undefined ? 'nothing' : 'live',
      summary: `${title} ${gitops.version} ${present?.installedDigest === undefined ? 'installed' : 'updated'}`,
    })

  // What decides is the key too: an engine with an old key would follow nothing.
  const ageIdentity = gitops.secrets.sops
  const objectsDigest = digest({ objects: point, ageIdentity, repository: gitops.repository })
  // An engine that is installed anew comes with objects of its own over those that point it.
  if (present?.pointedDigest !== objectsDigest || draft.has(key) || draft.has(engine))
    draft.add({
      id: `point-engine/${gitops.engine}`,
      step: {
        kind: 'point-engine',
        cluster: spec.name,
        engine: gitops.engine,
        repository: gitops.repository,
        objects: point,
        objectsDigest,
        ageIdentity,
      },
      after: [engine, key, initId(situation)],
      impact: present?.pointedDigest === undefined ? 'nothing' : 'live',
      summary: `${title} follows ${gitops.repository.branch} of the repository`,
    })
}

/** Where the engine's pods can run: with tainted control planes only, the first worker has to be there. */
function firstWorker({ machines }: Situation, draft: PlanDraft): readonly string[] {
  const workers = machines.filter(({ machine }) => machine.role === 'worker')
  if (workers.length === 0 || workers.some(isMember)) return []
  return workers
    .map(({ machine }) => `join-node/${machine.name}`)
    .filter((id) => draft.has(id))
    .slice(0, 1)
}
