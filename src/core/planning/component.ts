import { digest } from '../canonical.ts'
import type { Component } from '../component.ts'
import type { ClusterSpec } from '../spec/cluster-spec.ts'
import type { SourceMirrors } from '../steps/gitops.ts'
import type { PlanDraft } from './draft.ts'
import { initId } from './kubeadm.ts'
import { own, type Situation } from './situation.ts'

/** What the runner itself keeps on the cluster: the network, and definitions that others wait for. */
export function planComponents(situation: Situation, draft: PlanDraft): void {
  const { spec, blueprint, facts } = situation
  for (const component of runnerComponents(blueprint)) {
    const componentDigest = digest(component)
    const present = own(facts.kubernetes?.components ?? {}, component.name)
    if (present === componentDigest) continue
    draft.add({
      id: `apply-component/${component.name}`,
      step: {
        kind: 'apply-component',
        cluster: spec.name,
        component,
        componentDigest,
        mirrors: sourceMirrors(spec),
        kubernetesVersion: spec.kubernetes.version,
      },
      after: [initId(situation), ...component.waitsFor.map((name) => `apply-component/${name}`)],
      impact: present === undefined ? 'nothing' : 'live',
      summary: `${component.name} ${version(component)} ${present === undefined ? 'installed' : 'updated'}`,
    })
  }
}

/** Components that a step installs; the engine's own parts come with `install-engine`. */
export function runnerComponents(blueprint: Situation['blueprint']): readonly Component[] {
  const engine = new Set(blueprint.engine.install.map(({ name }) => name))
  return blueprint.components.filter(({ owner, name }) => owner === 'runner' && !engine.has(name))
}

export function sourceMirrors({ mirrors }: ClusterSpec): SourceMirrors {
  return { charts: mirrors.charts, manifests: mirrors.manifests, binaries: mirrors.binaries }
}

function version({ source }: Component): string {
  return source.from === 'path' ? source.path : source.version
}
