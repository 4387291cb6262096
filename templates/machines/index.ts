import type { Blueprint } from '../../src/core/blueprint.ts'
import { Problem } from '../../src/core/problem.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import { initDocuments, joinDocuments } from './kubeadm.ts'
import { hostRecipe } from './recipe.ts'

/**
 * What the machines of a spec need: a recipe and kubeadm documents for each.
 * @throws Problem `spec.not-yet-supported` for another distribution than kubeadm or another runtime than containerd.
 */
export function machinesOf(spec: ClusterSpec): Pick<Blueprint, 'recipes' | 'kubeadm'> {
  const { kubernetes } = spec
  if (kubernetes.distribution !== 'kubeadm') throw notYet(`kubernetes.distribution "${kubernetes.distribution}"`)
  if (kubernetes.runtime.kind !== 'containerd') throw notYet(`kubernetes.runtime "${kubernetes.runtime.kind}"`)
  const first = spec.machines.find(({ role }) => role === 'control-plane')
  return {
    recipes: Object.fromEntries(spec.machines.map((machine) => [machine.name, hostRecipe(spec, kubernetes, machine)])),
    kubeadm: Object.fromEntries(
      spec.machines.map((machine) => [
        machine.name,
        {
          config: machine === first ? initDocuments(spec, kubernetes, machine) : joinDocuments(spec, machine),
          files: [],
        },
      ]),
    ),
  }
}

function notYet(what: string): Problem {
  return new Problem({
    code: 'spec.not-yet-supported',
    what: `${what} cannot be planned yet`,
    remedy: 'Use "kubeadm" with "containerd".',
    retry: 'never',
  })
}
