import type { Blueprint } from '../core/blueprint.ts'
import type { ClusterSpec } from '../core/spec/cluster-spec.ts'
import { appsSeed } from '../../templates/components/apps.ts'
import { componentsOf } from '../../templates/components/index.ts'
import { machinesOf } from '../../templates/machines/index.ts'
import { engineOf } from './engines.ts'

/**
 * Works out everything that a spec implies. Equal specs give equal blueprints, wherever they are made: the app shows
 * one, the runner makes it again from the commit and compares.
 * @throws Problem `spec.not-yet-supported` for what no template can do yet; a parsed spec without problems has none.
 */
export function blueprint(spec: ClusterSpec): Blueprint {
  const engine = engineOf(spec.gitops.engine)
  const components = componentsOf(spec)
  return {
    ...machinesOf(spec),
    components,
    engine: { install: engine.install(spec), point: engine.point(spec, components) },
    bundle: engine.render(spec, components),
    seed: appsSeed(spec),
  }
}
