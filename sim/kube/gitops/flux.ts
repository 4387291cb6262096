import { createHash } from 'node:crypto'
import { parse as parseYaml } from 'yaml'
import type { Condition } from '../conditions.ts'
import { conditionOf, dropCondition, setCondition } from '../conditions.ts'
import { durationMs } from '../kubectl/command-line.ts'
import type { KubeObject } from '../object.ts'
import { at, copy, fields, list, put, stamp, text } from '../object.ts'
import type { ResourceKind } from '../resource.ts'
import { apiVersionOf } from '../resource.ts'
import { BuildError, build, folderOf, hasFolder, setNamespace } from './build.ts'
import type { GitRemote } from './checkout.ts'
import { GitError } from './checkout.ts'
import type { Engines } from './engine.ts'
import { isFoundation, isHealthy, refusalOf, secretData, titleOf } from './engine.ts'
import { SopsError, decryptObject, isEncrypted } from './sops.ts'

/**
 * source-, kustomize- and helm-controller, with conditions and messages as recorded from source-controller 1.9.3,
 * kustomize-controller 1.9.4 and helm-controller 1.6.4 (`vectors/gitops/flux-*.json`).
 */
const SOURCES = 'source.toolkit.fluxcd.io/v1'
const KUSTOMIZATIONS = 'kustomize.toolkit.fluxcd.io/v1'
const RELEASES = 'helm.toolkit.fluxcd.io/v2'
const FINALIZER = 'finalizers.fluxcd.io'
const REQUESTED = 'reconcile.fluxcd.io/requestedAt'
/** First retry after a failure; the controllers back off from under a second upwards. */
const RETRY_MS = 5_000
const LOOK_MS = 500
const DEFAULT_TIMEOUT_MS = 60_000

/** Charts that an upstream repository is taken to have; any other name fails as a missing chart does. */
const KNOWN_CHARTS: Readonly<Record<string, string>> = {
  'cert-manager': 'v1.19.1',
  cilium: '1.18.4',
  'kube-prometheus-stack': '79.5.0',
  longhorn: '1.10.1',
  metallb: '0.15.2',
  podinfo: '6.9.2',
  traefik: '37.3.0',
}

export function addFlux(engines: Engines): void {
  const flux = new Flux(engines)
  engines.add({
    apiVersion: SOURCES,
    kind: 'GitRepository',
    controller: 'source-controller',
    inputs: (object) => flux.secretVersion(object.metadata.namespace, text(object, 'spec', 'secretRef', 'name')),
    reconcile: (kind, object) => flux.repository(kind, object),
  })
  engines.add({
    apiVersion: SOURCES,
    kind: 'HelmRepository',
    controller: 'source-controller',
    inputs: () => '',
    reconcile: (kind, object) => flux.helmRepository(kind, object),
  })
  engines.add({
    apiVersion: KUSTOMIZATIONS,
    kind: 'Kustomization',
    controller: 'kustomize-controller',
    inputs: (object) =>
      `${text(flux.source(object), 'status', 'artifact', 'revision')} ${flux.secretVersion(object.metadata.namespace, text(object, 'spec', 'decryption', 'secretRef', 'name'))}`,
    reconcile: (kind, object) => flux.kustomization(kind, object),
  })
  engines.add({
    apiVersion: RELEASES,
    kind: 'HelmRelease',
    controller: 'helm-controller',
    inputs: () => '',
    reconcile: (kind, object) => flux.release(kind, object),
  })
}

class Flux {
  readonly #engines: Engines

  constructor(engines: Engines) {
    this.#engines = engines
  }

  get #api() {
    return this.#engines.parts.api
  }

  secretVersion(namespace: string | undefined, name: string | undefined): string {
    return name === undefined ? '' : (this.#secret(namespace, name)?.metadata.resourceVersion ?? 'missing')
  }

  #secret(namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#api.store.get(this.#api.kind('v1', 'Secret'), namespace, name)
  }

  source(object: KubeObject): KubeObject | undefined {
    const kind = this.#api.resources.byKind(SOURCES, text(object, 'spec', 'sourceRef', 'kind') ?? 'GitRepository')
    const namespace = text(object, 'spec', 'sourceRef', 'namespace') ?? object.metadata.namespace
    return kind === undefined
      ? undefined
      : this.#api.store.get(kind, namespace, text(object, 'spec', 'sourceRef', 'name') ?? '')
  }

  #report(
    kind: ResourceKind,
    object: KubeObject,
    change: (draft: KubeObject, set: (condition: Omit<Condition, 'observedGeneration'>) => void) => void,
  ): void {
    const now = stamp(this.#engines.parts.clock.now())
    this.#api.settle(kind, object, (draft) => {
      const observedGeneration = draft.metadata.generation ?? 1
      put(draft, ['status', 'observedGeneration'], observedGeneration)
      const asked = object.metadata.annotations?.[REQUESTED]
      if (asked !== undefined) put(draft, ['status', 'lastHandledReconcileAt'], asked)
      change(draft, (condition) => setCondition(draft, { ...condition, observedGeneration }, now))
    })
  }

  #claim(kind: ResourceKind, object: KubeObject): void {
    this.#api.settle(kind, object, (draft) => {
      if (draft.metadata.deletionTimestamp === undefined && draft.metadata.finalizers?.includes(FINALIZER) !== true)
        draft.metadata.finalizers = [...(draft.metadata.finalizers ?? []), FINALIZER]
    })
  }

  #release(kind: ResourceKind, object: KubeObject): undefined {
    const rest = (object.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER)
    if (rest.length === 0) this.#api.store.remove(kind, object.metadata.namespace, object.metadata.name)
    else
      this.#api.settle(kind, object, (draft) => {
        draft.metadata.finalizers = rest
      })
  }

  async repository(kind: ResourceKind, object: KubeObject): Promise<number | undefined> {
    if (object.metadata.deletionTimestamp !== undefined) return this.#release(kind, object)
    this.#claim(kind, object)
    const url = text(object, 'spec', 'url') ?? ''
    const fail = (reason: string, message: string): number => {
      this.#report(kind, object, (draft, set) => {
        set({
          type: 'Reconciling',
          status: 'True',
          reason: 'ProgressingWithRetry',
          message: 'reconciliation in progress',
        })
        set({ type: 'Ready', status: 'False', reason, message })
        set({ type: 'FetchFailed', status: 'True', reason, message })
        void draft
      })
      return RETRY_MS
    }
    const name = text(object, 'spec', 'secretRef', 'name')
    const secret = name === undefined ? undefined : this.#secret(object.metadata.namespace, name)
    if (name !== undefined && secret === undefined)
      return fail(
        'AuthenticationFailed',
        `failed to get secret '${object.metadata.namespace}/${name}': secrets "${name}" not found`,
      )
    const data = secretData(secret)
    if (url.startsWith('ssh://') && data['known_hosts'] === undefined)
      return fail(
        'AuthenticationFailed',
        `failed to configure authentication options: invalid 'ssh' auth option: 'known_hosts' is required`,
      )
    const { ref, prefix } = reference(object)
    const remote: GitRemote = {
      url,
      ref,
      ...(data['identity'] === undefined ? {} : { identity: data['identity'] }),
      ...(data['known_hosts'] === undefined ? {} : { knownHosts: data['known_hosts'] }),
      ...(data['username'] === undefined ? {} : { username: data['username'] }),
      ...(data['password'] === undefined ? {} : { password: data['password'] }),
    }
    try {
      const tree = await this.#engines.tree(remote)
      const revision = `${prefix}sha1:${tree.commit}`
      const message = `stored artifact for revision '${revision}'`
      const path = `gitrepository/${object.metadata.namespace}/${object.metadata.name}/${tree.commit}.tar.gz`
      this.#report(kind, object, (draft, set) => {
        if (text(draft, 'status', 'artifact', 'revision') !== revision)
          put(draft, ['status', 'artifact'], {
            digest: `sha256:${digest([...tree.files])}`,
            lastUpdateTime: stamp(this.#engines.parts.clock.now()),
            path,
            revision,
            size: [...tree.files.values()].reduce((sum, content) => sum + content.length, 0),
            url: `http://source-controller.${object.metadata.namespace}.svc.cluster.local./${path}`,
          })
        dropCondition(draft, 'Reconciling')
        dropCondition(draft, 'FetchFailed')
        set({ type: 'Ready', status: 'True', reason: 'Succeeded', message })
        set({ type: 'ArtifactInStorage', status: 'True', reason: 'Succeeded', message })
      })
      return interval(object)
    } catch (error) {
      if (!(error instanceof GitError)) throw error
      return fail(
        'GitOperationFailed',
        `failed to checkout and determine revision: unable to ${error.trouble === 'no-ref' ? 'clone' : 'list remote for'} '${url}': ${gitMessage(error, url, ref)}`,
      )
    }
  }

  helmRepository(kind: ResourceKind, object: KubeObject): Promise<number | undefined> {
    if (object.metadata.deletionTimestamp !== undefined) return Promise.resolve(this.#release(kind, object))
    // An OCI repository has no index to fetch and no status.
    if (text(object, 'spec', 'type') === 'oci') return Promise.resolve(undefined)
    const revision = `sha256:${digest(object['spec'])}`
    this.#report(kind, object, (draft, set) => {
      put(draft, ['status', 'artifact'], {
        digest: revision,
        lastUpdateTime: text(draft, 'status', 'artifact', 'lastUpdateTime') ?? stamp(this.#engines.parts.clock.now()),
        path: `helmrepository/${object.metadata.namespace}/${object.metadata.name}/index.yaml`,
        revision,
        url: 'http://source-controller.flux-system.svc.cluster.local./index.yaml',
      })
      set({ type: 'Ready', status: 'True', reason: 'Succeeded', message: `stored artifact: revision '${revision}'` })
      set({
        type: 'ArtifactInStorage',
        status: 'True',
        reason: 'Succeeded',
        message: `stored artifact: revision '${revision}'`,
      })
    })
    return Promise.resolve(interval(object))
  }

  async kustomization(kind: ResourceKind, object: KubeObject): Promise<number | undefined> {
    if (object.metadata.deletionTimestamp !== undefined) {
      if (at(object, 'spec', 'prune') === true) this.#prune(inventoryOf(object), [])
      return this.#release(kind, object)
    }
    this.#claim(kind, object)
    const fail = (reason: string, message: string, progress?: string): number => {
      this.#report(kind, object, (draft, set) => {
        if (progress !== undefined)
          set({ type: 'Reconciling', status: 'True', reason: 'ProgressingWithRetry', message: progress })
        set({ type: 'Ready', status: 'False', reason, message })
        if (revision !== '') put(draft, ['status', 'lastAttemptedRevision'], revision)
      })
      return Math.min(durationMs(text(object, 'spec', 'retryInterval') ?? '') || RETRY_MS, RETRY_MS)
    }
    let revision = ''
    const source = this.source(object)
    if (source === undefined)
      return fail(
        'ArtifactFailed',
        `gitrepositories.source.toolkit.fluxcd.io "${text(object, 'spec', 'sourceRef', 'name')}" not found`,
      )
    revision = text(source, 'status', 'artifact', 'revision') ?? ''
    const tree = this.#engines.treeOf(text(source, 'spec', 'url') ?? '', revision.slice(-40))
    if (tree === undefined) return fail('ArtifactFailed', 'Source artifact not found, retrying in 30s')
    for (const dependency of list(object, 'spec', 'dependsOn')) {
      const namespace = text(dependency, 'namespace') ?? object.metadata.namespace
      const found = this.#api.store.get(kind, namespace, text(dependency, 'name') ?? '')
      if (
        found === undefined ||
        conditionOf(found, 'Ready')?.['status'] !== 'True' ||
        (text(found, 'status', 'lastAppliedRevision') !== revision && this.source(found) === source)
      )
        return fail('DependencyNotReady', `dependency '${namespace}/${text(dependency, 'name')}' is not ready`)
    }
    const path = folderOf(text(object, 'spec', 'path') ?? '')
    if (!hasFolder(tree.files, path))
      return fail(
        'ArtifactFailed',
        `kustomization path not found: stat /tmp/kustomization-${digest(object.metadata.uid).slice(0, 9)}/${path}: no such file or directory`,
      )
    const timeout =
      durationMs(text(object, 'spec', 'timeout') ?? text(object, 'spec', 'interval') ?? '') || DEFAULT_TIMEOUT_MS
    const within = `for revision ${revision} with a timeout of ${text(object, 'spec', 'timeout') ?? text(object, 'spec', 'interval') ?? '1m0s'}`
    let objects: KubeObject[]
    try {
      objects = await this.#built(object, tree.files, path)
    } catch (error) {
      if (!(error instanceof BuildError) && !(error instanceof SopsError)) throw error
      return fail(
        'BuildFailed',
        error instanceof SopsError ? error.message : `kustomize build failed: ${error.message}`,
        `Building manifests ${within}`,
      )
    }
    const refused = await this.#applyAll(objects, timeout)
    if (refused !== undefined) return fail('ReconciliationFailed', refused, `Detecting drift ${within}`)
    const entries = objects.map((each) => entryOf(each)).sort((a, b) => (a.id < b.id ? -1 : 1))
    if (at(object, 'spec', 'prune') === true) this.#prune(inventoryOf(object), entries)
    this.#report(kind, object, (draft) => {
      put(draft, ['status', 'inventory'], { entries })
      put(draft, ['status', 'lastAttemptedRevision'], revision)
    })
    const healthMessage = await this.#awaitHealth(kind, object, objects, timeout, within)
    if (healthMessage !== undefined) return fail('HealthCheckFailed', healthMessage, `Running health checks ${within}`)
    this.#report(kind, object, (draft, set) => {
      dropCondition(draft, 'Reconciling')
      set({
        type: 'Ready',
        status: 'True',
        reason: 'ReconciliationSucceeded',
        message: `Applied revision: ${revision}`,
      })
      if (at(object, 'spec', 'wait') === true || list(object, 'spec', 'healthChecks').length > 0)
        set({ type: 'Healthy', status: 'True', reason: 'Succeeded', message: `Health check passed in ${LOOK_MS}ms` })
      put(draft, ['status', 'lastAppliedRevision'], revision)
      put(draft, ['status', 'lastAttemptedRevision'], revision)
      put(draft, ['status', 'inventory'], { entries })
    })
    return interval(object)
  }

  async #built(object: KubeObject, files: ReadonlyMap<string, string>, path: string): Promise<KubeObject[]> {
    const keys = Object.entries(
      secretData(
        this.#secret(object.metadata.namespace, text(object, 'spec', 'decryption', 'secretRef', 'name') ?? ''),
      ),
    )
      .filter(([name]) => name.endsWith('.agekey'))
      .map(([, value]) => value)
    const objects: KubeObject[] = []
    for (const raw of build({ files, path, resources: this.#api.resources, without: 'generate' })) {
      let built = copy(raw)
      if (isEncrypted(built) && text(object, 'spec', 'decryption', 'provider') === 'sops')
        built = await decryptObject(built, keys)
      const target = text(object, 'spec', 'targetNamespace')
      if (target !== undefined) setNamespace(built, target, this.#api.resources)
      put(built, ['metadata', 'labels', 'kustomize.toolkit.fluxcd.io/name'], object.metadata.name)
      put(built, ['metadata', 'labels', 'kustomize.toolkit.fluxcd.io/namespace'], object.metadata.namespace)
      objects.push(built)
    }
    return objects
  }

  /** Applies definitions and namespaces, then the rest after a dry run of all of it. */
  async #applyAll(objects: readonly KubeObject[], timeoutMs: number): Promise<string | undefined> {
    const foundation = objects.filter(isFoundation)
    const refused = this.#applyStage(foundation)
    if (refused !== undefined) return refused
    for (let waited = 0; waited < timeoutMs; waited += LOOK_MS) {
      if (foundation.every((object) => isHealthy(this.#live(object) ?? object))) break
      await this.#engines.parts.clock.sleep(LOOK_MS)
    }
    return this.#applyStage(objects.filter((object) => !isFoundation(object)))
  }

  #applyStage(objects: readonly KubeObject[]): string | undefined {
    for (const dryRun of [true, false])
      for (const object of objects) {
        const refused = this.#applyOne(object, dryRun)
        if (refused !== undefined) return `${titleOf(object)} dry-run failed${refused}`
      }
    return undefined
  }

  #live(object: KubeObject): KubeObject | undefined {
    const kind = this.#api.resources.byKind(object.apiVersion, object.kind)
    return kind === undefined
      ? undefined
      : this.#api.store.get(kind, kind.namespaced ? object.metadata.namespace : undefined, object.metadata.name)
  }

  #applyOne(object: KubeObject, dryRun: boolean): string | undefined {
    const kind = this.#api.resources.byKind(object.apiVersion, object.kind)
    if (kind === undefined) return `: no matches for kind "${object.kind}" in version "${object.apiVersion}"`
    if (kind.namespaced && object.metadata.namespace === undefined) return `: namespace not specified`
    try {
      this.#api.patch(
        kind,
        kind.namespaced ? object.metadata.namespace : undefined,
        object.metadata.name,
        'apply',
        object,
        {
          fieldManager: 'kustomize-controller',
          force: true,
          dryRun,
        },
      )
      return undefined
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal === undefined) throw error
      return `${refusal.reason === '' ? '' : ` (${refusal.reason})`}: ${refusal.message}`
    }
  }

  async #awaitHealth(
    kind: ResourceKind,
    object: KubeObject,
    applied: readonly KubeObject[],
    timeoutMs: number,
    within: string,
  ): Promise<string | undefined> {
    const checks = list(object, 'spec', 'healthChecks')
    const watched =
      at(object, 'spec', 'wait') === true
        ? applied
        : checks.map((check) => ({
            apiVersion: text(check, 'apiVersion') ?? 'apps/v1',
            kind: text(check, 'kind') ?? '',
            metadata: { name: text(check, 'name') ?? '', namespace: text(check, 'namespace') ?? '' },
          }))
    for (let waited = 0; ; waited += LOOK_MS) {
      const late = watched.filter((each) => {
        const live = this.#live(each)
        return live === undefined || !isHealthy(live)
      })
      if (late.length === 0) return undefined
      if (waited >= timeoutMs || this.#engines.parts.controllers.stopped)
        return `health check failed after ${Math.round(waited / 1000)}s: timeout waiting for: [${late.map((each) => `${titleOf(each)} status: 'InProgress'`).join(', ')}]`
      this.#report(kind, object, (_, set) => {
        const message = `Running health checks ${within}`
        set({ type: 'Reconciling', status: 'True', reason: 'Progressing', message })
        set({ type: 'Ready', status: 'Unknown', reason: 'Progressing', message: 'Reconciliation in progress' })
        set({ type: 'Healthy', status: 'Unknown', reason: 'Progressing', message })
      })
      await this.#engines.parts.clock.sleep(LOOK_MS)
    }
  }

  #prune(before: readonly Entry[], now: readonly Entry[]): void {
    for (const { id, v } of before) {
      if (now.some((entry) => entry.id === id)) continue
      const [namespace = '', name = '', group = '', kindName = ''] = id.split('_')
      const kind = this.#api.resources.byKind(apiVersionOf({ group, version: v }), kindName)
      if (kind === undefined) continue
      const live = this.#api.store.get(kind, namespace === '' ? undefined : namespace, name.replaceAll('__', ':'))
      const kept = live?.metadata.annotations?.['kustomize.toolkit.fluxcd.io/prune'] === 'disabled'
      if (live !== undefined && !kept) this.#api.delete(kind, live.metadata.namespace, live.metadata.name)
    }
  }

  release(kind: ResourceKind, object: KubeObject): Promise<number | undefined> {
    return Promise.resolve(this.#installed(kind, object))
  }

  #installed(kind: ResourceKind, object: KubeObject): number | undefined {
    if (object.metadata.deletionTimestamp !== undefined) return this.#release(kind, object)
    this.#claim(kind, object)
    const { namespace = '', name } = object.metadata
    const wanted = text(object, 'spec', 'chart', 'spec', 'chart') ?? ''
    const chartName = `${namespace}/${namespace}-${name}`
    const fail = (message: string): number => {
      this.#report(kind, object, (draft, set) => {
        put(draft, ['status', 'helmChart'], chartName)
        set({ type: 'Ready', status: 'False', reason: 'SourceNotReady', message })
      })
      return RETRY_MS
    }
    const reference = fields(object, 'spec', 'chart', 'spec', 'sourceRef')
    const source = this.source({ ...object, spec: { sourceRef: reference } })
    if (source === undefined)
      return fail(
        `HelmChart '${chartName}' is not ready: failed to get source: ${String(reference['kind'])}.source.toolkit.fluxcd.io "${String(reference['name'])}" not found`,
      )
    const chart = this.#chart(source, wanted, text(object, 'spec', 'chart', 'spec', 'version'))
    if (chart === undefined)
      return fail(
        `HelmChart '${chartName}' is not ready: chart pull error: failed to get chart version for remote reference: no '${wanted}' chart with version matching '${text(object, 'spec', 'chart', 'spec', 'version') ?? '*'}' found`,
      )
    const target = text(object, 'spec', 'targetNamespace') ?? namespace
    const title = text(object, 'spec', 'releaseName') ?? name
    const message = `Helm install succeeded for release ${target}/${title}.v1 with chart ${chart.name}@${chart.version}`
    this.#report(kind, object, (draft, set) => {
      put(draft, ['status', 'helmChart'], chartName)
      put(draft, ['status', 'lastAttemptedGeneration'], draft.metadata.generation ?? 1)
      put(draft, ['status', 'lastAttemptedReleaseAction'], 'install')
      put(draft, ['status', 'lastAttemptedRevision'], chart.version)
      put(draft, ['status', 'lastAttemptedConfigDigest'], `sha256:${digest(at(object, 'spec', 'values'))}`)
      put(draft, ['status', 'storageNamespace'], text(object, 'spec', 'storageNamespace') ?? namespace)
      set({ type: 'Ready', status: 'True', reason: 'InstallSucceeded', message })
      set({ type: 'Released', status: 'True', reason: 'InstallSucceeded', message })
    })
    return interval(object)
  }

  #chart(
    source: KubeObject,
    wanted: string,
    version: string | undefined,
  ): { readonly name: string; readonly version: string } | undefined {
    if (source.kind === 'GitRepository') {
      const commit = (text(source, 'status', 'artifact', 'revision') ?? '').slice(-40)
      const content = this.#engines
        .treeOf(text(source, 'spec', 'url') ?? '', commit)
        ?.files.get(`${folderOf(wanted)}/Chart.yaml`)
      if (content === undefined) return undefined
      const chart: unknown = parseYaml(content)
      return { name: text(chart, 'name') ?? '', version: `${text(chart, 'version') ?? ''}+${commit.slice(0, 12)}` }
    }
    const known = KNOWN_CHARTS[wanted]
    return known === undefined
      ? undefined
      : { name: wanted, version: version !== undefined && /^v?\d+\.\d+\.\d+$/.test(version) ? version : known }
  }
}

interface Entry {
  readonly id: string
  readonly v: string
}

/** `demo_app__ConfigMap`, `_demo__Namespace`, `flux-system_hello_helm.toolkit.fluxcd.io_HelmRelease` */
function entryOf(object: KubeObject): Entry {
  const cut = object.apiVersion.lastIndexOf('/')
  const group = cut < 0 ? '' : object.apiVersion.slice(0, cut)
  return {
    id: `${object.metadata.namespace ?? ''}_${object.metadata.name.replaceAll(':', '__')}_${group}_${object.kind}`,
    v: object.apiVersion.slice(cut + 1),
  }
}

const inventoryOf = (object: KubeObject): readonly Entry[] =>
  list(object, 'status', 'inventory', 'entries') as readonly Entry[]
const digest = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(value ?? null))
    .digest('hex')
const interval = (object: KubeObject): number =>
  durationMs(text(object, 'spec', 'interval') ?? '') || DEFAULT_TIMEOUT_MS

/** The ref to fetch, and what stands before `sha1:` in the revision. */
function reference(object: KubeObject): { readonly ref: string; readonly prefix: string } {
  const ref = fields(object, 'spec', 'ref')
  if (typeof ref['commit'] === 'string')
    return { ref: ref['commit'], prefix: typeof ref['branch'] === 'string' ? `${ref['branch']}@` : '' }
  if (typeof ref['name'] === 'string') return { ref: ref['name'], prefix: `${ref['name']}@` }
  if (typeof ref['tag'] === 'string') return { ref: `refs/tags/${ref['tag']}`, prefix: `${ref['tag']}@` }
  const branch = typeof ref['branch'] === 'string' ? ref['branch'] : 'master'
  return { ref: `refs/heads/${branch}`, prefix: `${branch}@` }
}

/** What Go's SSH and Git libraries say where OpenSSH and git say it otherwise. */
export function gitMessage(error: GitError, url: string, ref: string): string {
  switch (error.trouble) {
    case 'host-key':
      return 'ssh: handshake failed: knownhosts: key mismatch'
    case 'key-refused':
      return url.startsWith('ssh') || /^[^/]+@/.test(url)
        ? 'ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain'
        : 'authentication required'
    case 'no-ref':
      return `couldn't find remote ref "${ref}"`
    case 'no-repository':
      return 'repository not found'
    case 'unreachable':
      return `dial tcp ${host(url)}: connect: connection refused`
    default:
      return error.trouble satisfies never
  }
}

function host(url: string): string {
  try {
    const { hostname, port, protocol } = new URL(url)
    return `${hostname}:${port === '' ? (protocol === 'ssh:' ? '22' : '443') : port}`
  } catch {
    return url
  }
}
