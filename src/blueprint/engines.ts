import { argocd } from '../../argocd/index.ts'
import { fleet } from '../../fleet/index.ts'
import { flux } from '../../flux/index.ts'
import type { GitopsEngine } from '../core/engine.ts'
import type { EngineName } from '../core/spec/cluster-spec.ts'

const ENGINES: Readonly<Record<EngineName, GitopsEngine>> = { flux, argocd, fleet }

export function engineOf(name: EngineName): GitopsEngine {
  return ENGINES[name]
}
