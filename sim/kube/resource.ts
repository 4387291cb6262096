import { readFileSync } from 'node:fs'
import type { KubeObject } from './object.ts'
import { at, list, text } from './object.ts'
import type { Schema } from './schema.ts'

/** A kind the API server serves, built in or from a CustomResourceDefinition. */
export interface ResourceKind {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly namespaced: boolean
  /** Whether `/status` is served and `status` is out of reach of ordinary writes. */
  readonly status: boolean
  readonly schema: Schema | undefined
  /** Name of the CustomResourceDefinition it comes from. */
  readonly crd?: string
}

interface Cut {
  readonly resources: readonly {
    readonly group: string
    readonly version: string
    readonly kind: string
    readonly plural: string
    readonly namespaced: boolean
    readonly status: boolean
    readonly definition: string
  }[]
  readonly definitions: Readonly<Record<string, Schema>>
}

const SHORT_NAMES: Readonly<Record<string, readonly string[]>> = {
  configmaps: ['cm'],
  customresourcedefinitions: ['crd', 'crds'],
  certificatesigningrequests: ['csr'],
  daemonsets: ['ds'],
  deployments: ['deploy'],
  endpoints: ['ep'],
  events: ['ev'],
  cronjobs: ['cj'],
  ingresses: ['ing'],
  namespaces: ['ns'],
  networkpolicies: ['netpol'],
  nodes: ['no'],
  persistentvolumeclaims: ['pvc'],
  persistentvolumes: ['pv'],
  poddisruptionbudgets: ['pdb'],
  pods: ['po'],
  replicasets: ['rs'],
  serviceaccounts: ['sa'],
  services: ['svc'],
  statefulsets: ['sts'],
  storageclasses: ['sc'],
}

let cut: Cut | undefined

/** The official kinds and schemas, read once for the process; see `schema/cut.ts`. */
function official(): Cut {
  cut ??= JSON.parse(readFileSync(new URL('schema/kubernetes-v1.36.json', import.meta.url), 'utf8')) as Cut
  return cut
}

export const definition = (name: string): Schema | undefined => official().definitions[name]

export const builtInKinds = (): readonly ResourceKind[] =>
  official().resources.map(({ definition: name, ...resource }) => ({
    ...resource,
    singular: resource.kind.toLowerCase(),
    shortNames: SHORT_NAMES[resource.plural] ?? [],
    categories: [],
    schema: { $ref: name },
  }))

export const kindOf = (crd: KubeObject): readonly ResourceKind[] =>
  list(crd, 'spec', 'versions')
    .filter((version) => at(version, 'served') === true)
    .map((version) => ({
      group: text(crd, 'spec', 'group') ?? '',
      version: text(version, 'name') ?? '',
      kind: text(crd, 'spec', 'names', 'kind') ?? '',
      plural: text(crd, 'spec', 'names', 'plural') ?? '',
      singular: text(crd, 'spec', 'names', 'singular') ?? (text(crd, 'spec', 'names', 'kind') ?? '').toLowerCase(),
      shortNames: list(crd, 'spec', 'names', 'shortNames') as readonly string[],
      categories: list(crd, 'spec', 'names', 'categories') as readonly string[],
      namespaced: text(crd, 'spec', 'scope') === 'Namespaced',
      status: at(version, 'subresources', 'status') !== undefined,
      schema: at(version, 'schema', 'openAPIV3Schema') as Schema | undefined,
      crd: crd.metadata.name,
    }))

export const apiVersionOf = ({ group, version }: Pick<ResourceKind, 'group' | 'version'>): string =>
  group === '' ? version : `${group}/${version}`

/** The kinds served at this moment, found by group and plural or by `apiVersion` and `kind`. */
export class ResourceTable {
  readonly #builtIn = builtInKinds()
  #custom: readonly ResourceKind[] = []
  #index: { readonly custom: readonly ResourceKind[]; readonly byKey: Map<string, ResourceKind> } | undefined

  all(): readonly ResourceKind[] {
    return [...this.#builtIn, ...this.#custom]
  }

  setCustom(kinds: readonly ResourceKind[]): void {
    this.#custom = kinds
    this.#index = undefined
  }

  #keyed(): Map<string, ResourceKind> {
    if (this.#index === undefined) {
      const byKey = new Map<string, ResourceKind>()
      for (const kind of this.all()) {
        byKey.set(`path ${apiVersionOf(kind)} ${kind.plural}`, kind)
        byKey.set(`kind ${apiVersionOf(kind)} ${kind.kind}`, kind)
      }
      this.#index = { custom: this.#custom, byKey }
    }
    return this.#index.byKey
  }

  byPath(apiVersion: string, plural: string): ResourceKind | undefined {
    return this.#keyed().get(`path ${apiVersion} ${plural}`)
  }

  byKind(apiVersion: string, kind: string): ResourceKind | undefined {
    return this.#keyed().get(`kind ${apiVersion} ${kind}`)
  }

  /** As kubectl resolves `po`, `pods`, `deploy.apps`, `GitRepository` or `gitrepositories.v1.source.toolkit.fluxcd.io`. */
  byWord(word: string): ResourceKind | undefined {
    const [name = '', ...rest] = word.toLowerCase().split('.')
    const suffix = rest.join('.')
    return this.all().find(
      (kind) =>
        [kind.plural, kind.singular, kind.kind.toLowerCase(), ...kind.shortNames].includes(name) &&
        (suffix === '' || suffix === kind.group || suffix === `${kind.version}.${kind.group}`),
    )
  }
}
