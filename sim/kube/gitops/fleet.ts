import { posix } from 'node:path'
import { createHash } from 'node:crypto'
import { parse as parseYaml, stringify } from 'yaml'
import { conditionOf } from '../conditions.ts'
import { durationMs } from '../kubectl/command-line.ts'
import type { Fields, KubeObject } from '../object.ts'
import { at, copy, fields, isRecord, list, put, same, stamp, text } from '../object.ts'
import type { ResourceKind } from '../resource.ts'
import { StatusError } from '../status.ts'
import { BuildError, build, folderOf, hasFolder, setNamespace } from './build.ts'
import { GitError } from './checkout.ts'
import type { Engines } from './engine.ts'
import { isFoundation, isHealthy, secretData } from './engine.ts'
import { gitMessage } from './flux.ts'

/** fleet-controller, gitjob and fleet-agent of a local cluster, after Fleet 0.15.0 (`vectors/gitops/fleet-*.json`). */
const GROUP = 'fleet.cattle.io/v1alpha1'
const LOCAL = 'fleet-local'
const CLUSTER_NAMESPACE = 'cluster-fleet-local-local-1a3d67d0a899'
const POLL_MS = 15_000
const LOOK_MS = 500
const READY_MS = 120_000
/** Longer names of bundles are cut and end in a hash. */
const MAX_BUNDLE_NAME = 53

export function addFleet(engines: Engines): void {
  const fleet = new Fleet(engines)
  engines.add({
    apiVersion: GROUP,
    kind: 'GitRepo',
    controller: 'gitjob',
    inputs: (object) => fleet.secretVersion(object),
    reconcile: (kind, object) => fleet.repository(kind, object),
  })
}

interface Deployed {
  readonly name: string
  readonly objects: readonly KubeObject[]
  readonly problem: string | undefined
}

/**
 * The folders that a GitRepo names, each with its file of options: `paths` are scanned, `bundles` say it themselves,
 * and their `options` is joined to `base` as a path, `..` included.
 * @see rancher/fleet v0.15.0, internal/bundlereader/read.go (NewBundle) and internal/cmd/cli/apply/apply.go
 */
function foldersOf(repo: KubeObject): readonly (readonly [string, string])[] {
  const bundles = list(repo, 'spec', 'bundles')
  if (bundles.length > 0)
    return bundles.map((bundle) => {
      const base = folderOf(text(bundle, 'base') ?? '')
      return [base, posix.join(base, text(bundle, 'options') ?? 'fleet.yaml')] as const
    })
  const paths = list(repo, 'spec', 'paths').map(String)
  return (paths.length === 0 ? [''] : paths).map((path) => [folderOf(path), posix.join(folderOf(path), 'fleet.yaml')])
}

class Fleet {
  readonly #engines: Engines

  constructor(engines: Engines) {
    this.#engines = engines
  }

  get #api() {
    return this.#engines.parts.api
  }

  #secret(object: KubeObject): KubeObject | undefined {
    return this.#api.store.get(
      this.#api.kind('v1', 'Secret'),
      object.metadata.namespace,
      text(object, 'spec', 'clientSecretName') ?? 'gitcredential',
    )
  }

  secretVersion(object: KubeObject): string {
    return this.#secret(object)?.metadata.resourceVersion ?? ''
  }

  async repository(kind: ResourceKind, object: KubeObject): Promise<number | undefined> {
    const interval = durationMs(text(object, 'spec', 'pollingInterval') ?? '') || POLL_MS
    if (object.metadata.deletionTimestamp !== undefined) return undefined
    this.#ensureCluster()
    const now = stamp(this.#engines.parts.clock.now())
    const data = secretData(this.#secret(object))
    const url = text(object, 'spec', 'repo') ?? ''
    const ref = text(object, 'spec', 'revision') ?? `refs/heads/${text(object, 'spec', 'branch') ?? 'master'}`
    const report = (failure: string | undefined, status: Fields) =>
      this.#status(kind, object, {
        ...status,
        conditions: [
          this.#condition(object, 'Ready', at(status, 'ready') !== false, text(status, 'message')),
          this.#condition(object, 'GitPolling', failure === undefined, failure),
          this.#condition(object, 'Reconciling', false),
          this.#condition(object, 'Stalled', failure !== undefined, failure),
          this.#condition(object, 'Accepted', true),
        ],
        lastPollingTriggered: now,
        observedGeneration: object.metadata.generation ?? 1,
        updateGeneration: at(object, 'spec', 'forceSyncGeneration') ?? 0,
        ready: undefined,
        message: undefined,
      })
    try {
      const tree = await this.#engines.tree({
        url,
        ref,
        ...(data['ssh-privatekey'] === undefined ? {} : { identity: data['ssh-privatekey'] }),
        ...(data['known_hosts'] === undefined ? {} : { knownHosts: data['known_hosts'] }),
        ...(data['username'] === undefined ? {} : { username: data['username'] }),
        ...(data['password'] === undefined ? {} : { password: data['password'] }),
      })
      const deployed: Deployed[] = []
      for (const [folder, options] of foldersOf(object))
        deployed.push(await this.#bundle(object, folder, options, tree.files, tree.commit))
      this.#removeOldBundles(object, deployed)
      const ready = deployed.filter(({ problem }) => problem === undefined).length
      const resources = deployed.flatMap(({ objects }) => objects)
      const message = deployed.find(({ problem }) => problem !== undefined)?.problem
      report(undefined, {
        commit: tree.commit,
        pollingCommit: tree.commit,
        gitJobStatus: 'Current',
        desiredReadyClusters: 1,
        readyClusters: ready === deployed.length ? 1 : 0,
        display: {
          readyBundleDeployments: `${ready}/${deployed.length}`,
          ...(ready === deployed.length ? {} : { state: 'ErrApplied', message }),
        },
        resourceCounts: {
          desiredReady: resources.length,
          missing: 0,
          modified: 0,
          notReady: 0,
          orphaned: 0,
          ready: resources.length,
          unknown: 0,
          waitApplied: 0,
        },
        summary: {
          desiredReady: deployed.length,
          ready,
          ...(ready === deployed.length ? {} : { errApplied: deployed.length - ready }),
        },
        ready: ready === deployed.length,
        ...(message === undefined ? {} : { message }),
      })
    } catch (error) {
      if (!(error instanceof GitError)) throw error
      report(gitMessage(error, url, ref), { gitJobStatus: 'Failed' })
    }
    return interval
  }

  #condition(object: KubeObject, type: string, holds: boolean, message?: string): Fields {
    const status = holds ? 'True' : 'False'
    const old = conditionOf(object, type)
    return {
      lastUpdateTime: old?.['status'] === status ? old['lastUpdateTime'] : stamp(this.#engines.parts.clock.now()),
      ...(message === undefined ? {} : { message, reason: 'Error' }),
      status,
      type,
    }
  }

  #status(kind: ResourceKind, object: KubeObject, status: Fields): void {
    this.#api.settle(kind, object, (draft) => {
      const next: Fields = { ...fields(draft, 'status'), ...status }
      for (const [key, value] of Object.entries(next)) if (value === undefined) delete next[key]
      const old = fields(draft, 'status')
      if (!same({ ...old, lastPollingTriggered: '' }, { ...next, lastPollingTriggered: '' })) draft['status'] = next
    })
  }

  /** The registration of the cluster that Fleet itself runs in. */
  #ensureCluster(): void {
    const namespaces = this.#api.kind('v1', 'Namespace')
    for (const name of [LOCAL, CLUSTER_NAMESPACE])
      if (this.#api.store.get(namespaces, undefined, name) === undefined)
        this.#api.create(namespaces, undefined, { metadata: { name } }, { fieldManager: 'fleetcontroller' })
    const kind = this.#api.resources.byKind(GROUP, 'Cluster')
    if (kind === undefined || this.#api.store.get(kind, LOCAL, 'local') !== undefined) return
    const { object } = this.#api.create(
      kind,
      LOCAL,
      { metadata: { name: 'local', labels: { name: 'local' } }, spec: { kubeConfigSecret: 'local-cluster' } },
      { fieldManager: 'fleetcontroller' },
    )
    this.#status(kind, object, {
      agent: { lastSeen: stamp(this.#engines.parts.clock.now()), namespace: 'cattle-fleet-system' },
      conditions: ['Processed', 'Ready', 'Imported', 'Reconciled'].map((type) => this.#condition(object, type, true)),
      namespace: CLUSTER_NAMESPACE,
    })
  }

  async #bundle(
    repo: KubeObject,
    path: string,
    optionsFile: string,
    files: ReadonlyMap<string, string>,
    commit: string,
  ): Promise<Deployed> {
    const options: unknown = parseYaml(files.get(optionsFile) ?? '{}')
    const name =
      text(options, 'name') ?? bundleName(`${repo.metadata.name}${path === '' ? '' : `-${path.replaceAll('/', '-')}`}`)
    const namespace =
      text(options, 'namespace') ??
      text(repo, 'spec', 'targetNamespace') ??
      text(options, 'defaultNamespace') ??
      'default'
    let objects: readonly KubeObject[] = []
    let problem: string | undefined
    try {
      if (!hasFolder(files, path)) throw new BuildError(`no such path: ${path}`)
      if (isRecord(at(options, 'helm', 'chart')) || text(options, 'helm', 'chart') !== undefined)
        throw new BuildError('the simulated Fleet deploys manifests and kustomizations; it renders no Helm charts')
      objects = this.#built(path, files, options, namespace)
      problem = this.#apply(objects, namespace)
    } catch (error) {
      if (!(error instanceof BuildError)) throw error
      problem = error.message
    }
    const resources = objects.map((object) => ({
      content: stringify(object),
      name: `${object.kind.toLowerCase()}-${object.metadata.name}.yaml`,
    }))
    const bundleKind = this.#api.kind(GROUP, 'Bundle')
    const labels = { 'fleet.cattle.io/commit': commit, 'fleet.cattle.io/repo-name': repo.metadata.name }
    const bundle = this.#put(bundleKind, repo.metadata.namespace ?? LOCAL, name, labels, {
      defaultNamespace: namespace,
      resources,
      targets: [{ clusterGroup: 'default', name: 'default' }],
    })
    for (let waited = 0; problem === undefined; waited += LOOK_MS) {
      const late = objects.find((object) => {
        const kind = this.#api.resources.byKind(object.apiVersion, object.kind)
        const live =
          kind === undefined ? undefined : this.#api.store.get(kind, object.metadata.namespace, object.metadata.name)
        return live === undefined || !isHealthy(live)
      })
      if (late === undefined) break
      if (waited >= READY_MS || this.#engines.parts.controllers.stopped)
        problem = `NotReady(1) [Cluster fleet-local/local]; ${late.kind.toLowerCase()} ${namespace}/${late.metadata.name} is not ready`
      else await this.#engines.parts.clock.sleep(LOOK_MS)
    }
    const ready = problem === undefined
    const summary = ready ? { desiredReady: 1, ready: 1 } : { desiredReady: 1, errApplied: 1 }
    const sum = createHash('sha256').update(JSON.stringify(resources)).digest('hex')
    this.#status(bundleKind, bundle, {
      conditions: [
        this.#condition(
          bundle,
          'Ready',
          ready,
          problem === undefined ? undefined : `ErrApplied(1) [Cluster fleet-local/local: ${problem}]`,
        ),
      ],
      display: { readyClusters: ready ? '1/1' : '0/1', ...(ready ? {} : { state: 'ErrApplied' }) },
      maxNew: 50,
      maxUnavailable: 1,
      observedGeneration: bundle.metadata.generation ?? 1,
      partitions: [{ count: 1, maxUnavailable: 1, name: 'All', summary }],
      resourcesSha256Sum: sum,
      summary,
      unavailable: ready ? 0 : 1,
    })
    const deploymentKind = this.#api.kind(GROUP, 'BundleDeployment')
    const id = `s-${sum.slice(0, 61)}:${createHash('sha256').update(namespace).digest('hex')}`
    const deployment = this.#put(
      deploymentKind,
      CLUSTER_NAMESPACE,
      name,
      {
        ...labels,
        'fleet.cattle.io/bundle-name': name,
        'fleet.cattle.io/bundle-namespace': repo.metadata.namespace ?? LOCAL,
        'fleet.cattle.io/managed': 'true',
      },
      {
        deploymentID: id,
        options: { defaultNamespace: namespace, helm: { releaseName: name } },
        stagedDeploymentID: id,
        stagedOptions: { defaultNamespace: namespace, helm: { releaseName: name } },
      },
    )
    this.#status(deploymentKind, deployment, {
      ...(ready
        ? { appliedDeploymentID: id, release: `${namespace}/${name}:${deployment.metadata.generation ?? 1}` }
        : {}),
      conditions: ['Installed', 'Deployed', 'Ready', 'Monitored'].map((type) =>
        this.#condition(deployment, type, ready || type === 'Monitored', ready ? undefined : problem),
      ),
      display: { deployed: ready ? 'True' : 'False', monitored: 'True', state: ready ? 'Ready' : 'ErrApplied' },
      nonModified: true,
      ready,
      resourceCounts: { desiredReady: objects.length, ready: ready ? objects.length : 0 },
      resources: objects.map((object) => ({
        apiVersion: object.apiVersion,
        kind: object.kind,
        name: object.metadata.name,
        ...(object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
      })),
      syncGeneration: 0,
    })
    return { name, objects, problem }
  }

  #built(path: string, files: ReadonlyMap<string, string>, options: unknown, namespace: string): readonly KubeObject[] {
    const folder =
      text(options, 'kustomize', 'dir') === undefined ? path : folderOf(`${path}/${text(options, 'kustomize', 'dir')}`)
    const manifests = new Map([...files].filter(([file]) => !/(^|\/)fleet\.yaml$/.test(file)))
    return build({ files: manifests, path: folder, resources: this.#api.resources, without: 'generate' }).map((raw) => {
      const object = copy(raw)
      if (object.metadata.namespace === undefined) setNamespace(object, namespace, this.#api.resources)
      return object
    })
  }

  #apply(objects: readonly KubeObject[], namespace: string): string | undefined {
    const namespaces = this.#api.kind('v1', 'Namespace')
    if (this.#api.store.get(namespaces, undefined, namespace) === undefined)
      this.#api.create(namespaces, undefined, { metadata: { name: namespace } }, { fieldManager: 'fleetagent' })
    for (const object of [...objects].sort((a, b) => Number(isFoundation(b)) - Number(isFoundation(a)))) {
      const kind = this.#api.resources.byKind(object.apiVersion, object.kind)
      if (kind === undefined)
        return `unable to build kubernetes objects from release manifest: resource mapping not found for name: "${object.metadata.name}" namespace: "${object.metadata.namespace ?? ''}" from "": no matches for kind "${object.kind}" in version "${object.apiVersion}"`
      try {
        this.#api.patch(
          kind,
          kind.namespaced ? object.metadata.namespace : undefined,
          object.metadata.name,
          'apply',
          object,
          { fieldManager: 'fleetagent', force: true },
        )
      } catch (error) {
        if (!(error instanceof StatusError)) throw error
        return error.message.trim()
      }
    }
    return undefined
  }

  #put(
    kind: ResourceKind,
    namespace: string,
    name: string,
    labels: Readonly<Record<string, string>>,
    spec: Fields,
  ): KubeObject {
    const live = this.#api.store.get(kind, namespace, name)
    if (live === undefined)
      return this.#api.create(
        kind,
        namespace,
        { metadata: { name, labels }, spec },
        { fieldManager: 'fleetcontroller' },
      ).object
    this.#api.settle(kind, live, (draft) => {
      put(draft, ['metadata', 'labels'], labels)
      put(draft, ['spec'], spec)
    })
    return this.#api.get(kind, namespace, name)
  }

  /** Bundles of paths that the GitRepo no longer names go, with what they deployed. */
  #removeOldBundles(repo: KubeObject, deployed: readonly Deployed[]): void {
    const bundles = this.#api.kind(GROUP, 'Bundle')
    const deployments = this.#api.kind(GROUP, 'BundleDeployment')
    for (const bundle of this.#api.store.list(bundles, repo.metadata.namespace)) {
      const { name } = bundle.metadata
      if (
        bundle.metadata.labels?.['fleet.cattle.io/repo-name'] !== repo.metadata.name ||
        deployed.some((each) => each.name === name)
      )
        continue
      const old = this.#api.store.get(deployments, CLUSTER_NAMESPACE, name)
      for (const resource of list(old, 'status', 'resources')) {
        const kind = this.#api.resources.byKind(text(resource, 'apiVersion') ?? '', text(resource, 'kind') ?? '')
        if (
          kind !== undefined &&
          this.#api.store.get(kind, text(resource, 'namespace'), text(resource, 'name') ?? '') !== undefined
        )
          this.#api.delete(kind, text(resource, 'namespace'), text(resource, 'name') ?? '')
      }
      if (old !== undefined) this.#api.delete(deployments, CLUSTER_NAMESPACE, name)
      this.#api.delete(bundles, bundle.metadata.namespace, name)
    }
  }
}

function bundleName(name: string): string {
  const clean = name.toLowerCase().replace(/[^a-z0-9-]/g, '-')
  return clean.length <= MAX_BUNDLE_NAME
    ? clean
    : `${clean.slice(0, MAX_BUNDLE_NAME - 6)}-${createHash('sha256').update(clean).digest('hex').slice(0, 5)}`
}
