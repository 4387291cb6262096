import { conditionOf } from '../conditions.ts'
import type { Fields, KubeObject } from '../object.ts'
import { at, copy, fields, list, put, same, stamp, text } from '../object.ts'
import type { ResourceKind } from '../resource.ts'
import { StatusError } from '../status.ts'
import { BuildError, build, folderOf, hasFolder, setNamespace } from './build.ts'
import type { GitRemote, Tree } from './checkout.ts'
import { GitError } from './checkout.ts'
import type { Engines } from './engine.ts'
import { isFoundation, isHealthy, secretData } from './engine.ts'
import { gitMessage } from './flux.ts'

/** application-controller and repo-server, after recordings of Argo CD 3.5.1 (`vectors/gitops/argocd-*.json`). */
const APPLICATIONS = 'argoproj.io/v1alpha1'
const REFRESH = 'argocd.argoproj.io/refresh'
const TRACKING = 'argocd.argoproj.io/tracking-id'
const CASCADE = 'resources-finalizer.argocd.argoproj.io'
/** `timeout.reconciliation`. */
const RESYNC_MS = 120_000
const RETRY_MS = 5_000
const LOOK_MS = 500
/** How long the controller watches an object become healthy before it goes on with other work. */
const HEALTH_MS = 120_000

export function addArgoCd(engines: Engines): void {
  const argo = new ArgoCd(engines)
  engines.add({
    apiVersion: APPLICATIONS,
    kind: 'Application',
    controller: 'argocd-application-controller',
    inputs: () => argo.repositoriesVersion(),
    reconcile: (kind, object) => argo.application(kind, object),
  })
}

class ArgoCd {
  readonly #engines: Engines

  constructor(engines: Engines) {
    this.#engines = engines
  }

  get #api() {
    return this.#engines.parts.api
  }

  #repositories(): readonly KubeObject[] {
    return this.#api.store
      .list(this.#api.kind('v1', 'Secret'))
      .filter(({ metadata }) =>
        ['repository', 'repo-creds'].includes(metadata.labels?.['argocd.argoproj.io/secret-type'] ?? ''),
      )
  }

  repositoriesVersion(): string {
    return this.#repositories()
      .map(({ metadata }) => metadata.resourceVersion)
      .join()
  }

  #remote(url: string, revision: string): GitRemote {
    const known = this.#repositories()
    const plain = (value: string) => value.replace(/\.git$/, '').replace(/\/$/, '')
    const kindOf = ({ metadata }: KubeObject) => metadata.labels?.['argocd.argoproj.io/secret-type']
    const found =
      known.find(
        (secret) => kindOf(secret) === 'repository' && plain(secretData(secret)['url'] ?? '') === plain(url),
      ) ?? known.find((secret) => kindOf(secret) === 'repo-creds' && url.startsWith(secretData(secret)['url'] ?? '-'))
    const data = secretData(found)
    const hosts = text(
      this.#api.store.get(
        this.#api.kind('v1', 'ConfigMap'),
        found?.metadata.namespace ?? 'argocd',
        'argocd-ssh-known-hosts-cm',
      ),
      'data',
      'ssh_known_hosts',
    )
    return {
      url,
      ref:
        revision === 'HEAD' || revision === ''
          ? 'HEAD'
          : /^[0-9a-f]{40}$/.test(revision) || revision.startsWith('refs/')
            ? revision
            : `refs/heads/${revision}`,
      ...(data['sshPrivateKey'] === undefined ? {} : { identity: data['sshPrivateKey'] }),
      ...(hosts === undefined ? {} : { knownHosts: hosts }),
      ...(data['username'] === undefined ? {} : { username: data['username'] }),
      ...(data['password'] === undefined ? {} : { password: data['password'] }),
    }
  }

  async application(kind: ResourceKind, object: KubeObject): Promise<number | undefined> {
    const source = fields(object, 'spec', 'source')
    const destination = fields(object, 'spec', 'destination')
    const revision = text(source, 'targetRevision') ?? 'HEAD'
    const compared = { destination, source }
    if (object.metadata.deletionTimestamp !== undefined) return this.#cascade(kind, object)
    this.#api.settle(kind, object, (draft) => {
      if (draft.metadata.annotations?.[REFRESH] !== undefined) delete draft.metadata.annotations[REFRESH]
    })
    const now = stamp(this.#engines.parts.clock.now())
    const failed = (message: string): number => {
      this.#status(kind, object, {
        conditions: [
          {
            lastTransitionTime:
              text(conditionOf(object, 'ComparisonError'), 'message') === message
                ? text(conditionOf(object, 'ComparisonError'), 'lastTransitionTime')
                : now,
            message,
            type: 'ComparisonError',
          },
        ],
        health: healthOf(object, text(object, 'status', 'health', 'status') ?? 'Healthy', now),
        reconciledAt: now,
        resources: list(object, 'status', 'resources').map((item) => ({ ...fields(item), status: 'Unknown' })),
        sync: { comparedTo: compared, revision, status: 'Unknown' },
      })
      return RETRY_MS
    }
    const url = text(source, 'repoURL') ?? ''
    const remote = this.#remote(url, revision)
    let tree: Tree
    let objects: KubeObject[]
    const path = folderOf(text(source, 'path') ?? '')
    try {
      tree = await this.#engines.tree(remote)
      if (!hasFolder(tree.files, path)) throw new BuildError(`${path}: app path does not exist`)
      objects = this.#built(object, tree, path)
    } catch (error) {
      if (error instanceof GitError)
        return failed(
          `Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = failed to list refs: ${gitMessage(error, url, remote.ref)}`,
        )
      if (error instanceof BuildError)
        return failed(
          error.message.endsWith('app path does not exist')
            ? `Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = ${error.message}`
            : `Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = \`kustomize build <path to cached source>/${path}\` failed exit status 1: Error: ${error.message}`,
        )
      throw error
    }
    const automated = at(object, 'spec', 'syncPolicy', 'automated')
    const wantsSync =
      (automated !== undefined && at(automated, 'enabled') !== false) || object['operation'] !== undefined
    const sourceType = [...tree.files.keys()].some(
      (file) => /(^|\/)kustomization\.ya?ml$/.test(file) && file.startsWith(path),
    )
      ? 'Kustomize'
      : 'Directory'
    const before = list(object, 'status', 'resources')
    const describe = (each: KubeObject, status: string): Fields => {
      const cut = each.apiVersion.lastIndexOf('/')
      return {
        ...(cut < 0 ? {} : { group: each.apiVersion.slice(0, cut) }),
        kind: each.kind,
        name: each.metadata.name,
        ...(each.metadata.namespace === undefined ? {} : { namespace: each.metadata.namespace }),
        status,
        version: each.apiVersion.slice(cut + 1),
      }
    }
    const drifted = () => objects.filter((each) => !this.#matches(each))
    const operation = {
      initiatedBy: { automated: true },
      retry: { limit: 5 },
      sync: {
        prune: at(automated, 'prune') === true,
        revision: tree.commit,
        source,
        syncOptions: list(object, 'spec', 'syncPolicy', 'syncOptions'),
      },
    }
    const state = {
      controllerNamespace: object.metadata.namespace,
      reconciledAt: now,
      resourceHealthSource: 'appTree',
      sourceHydrator: {},
      sourceType,
      summary: {},
    }
    let refused: string | undefined
    let operationState: unknown = at(object, 'status', 'operationState')
    let history: readonly unknown[] = list(object, 'status', 'history')
    if (wantsSync && (drifted().length > 0 || text(object, 'status', 'sync', 'revision') !== tree.commit)) {
      refused = await this.#sync(object, objects)
      if (refused === undefined && at(automated, 'prune') === true) this.#prune(before, objects)
      const results = objects.map((each) => ({
        ...describe(each, refused === undefined ? 'Synced' : 'SyncFailed'),
        group: text(describe(each, ''), 'group') ?? '',
        hookPhase: refused === undefined ? 'Running' : 'Failed',
        message: refused ?? `${each.kind.toLowerCase()}/${each.metadata.name} configured`,
        syncPhase: 'Sync',
      }))
      operationState = {
        finishedAt: now,
        message:
          refused === undefined
            ? 'successfully synced (all tasks run)'
            : `one or more objects failed to apply, reason: ${refused}. Retrying attempt #1 at ${now.slice(11, 16)}.`,
        operation,
        phase: refused === undefined ? 'Succeeded' : 'Running',
        ...(refused === undefined ? {} : { retryCount: 1 }),
        startedAt: now,
        syncResult: { resources: results, revision: tree.commit, source },
      }
      if (refused === undefined)
        history = [
          ...history,
          {
            deployStartedAt: now,
            deployedAt: now,
            id: history.length,
            initiatedBy: { automated: true },
            revision: tree.commit,
            source,
          },
        ].slice(-10)
    }
    for (let waited = 0; ; waited += LOOK_MS) {
      const live = objects.map((each) => this.#live(each))
      const healthy = live.every((each) => each !== undefined && isHealthy(each))
      const outOfSync = new Set(drifted())
      const health =
        refused !== undefined
          ? (text(object, 'status', 'health', 'status') ?? 'Missing')
          : live.includes(undefined)
            ? 'Missing'
            : healthy
              ? 'Healthy'
              : 'Progressing'
      this.#status(kind, object, {
        ...state,
        conditions: undefined,
        health: healthOf(object, health, now),
        history,
        ...(operationState === undefined ? {} : { operationState }),
        resources: objects.map((each) => describe(each, outOfSync.has(each) ? 'OutOfSync' : 'Synced')),
        sync: { comparedTo: compared, revision: tree.commit, status: outOfSync.size > 0 ? 'OutOfSync' : 'Synced' },
      })
      if (refused !== undefined) return RETRY_MS
      if (health !== 'Progressing' || waited >= HEALTH_MS || this.#engines.parts.controllers.stopped) return RESYNC_MS
      await this.#engines.parts.clock.sleep(LOOK_MS)
    }
  }

  #built(object: KubeObject, tree: Tree, path: string): KubeObject[] {
    const recurse = at(object, 'spec', 'source', 'directory', 'recurse') === true
    const built = build({
      files: tree.files,
      path,
      resources: this.#api.resources,
      without: recurse ? 'generate' : 'flat',
    })
    const namespace = text(object, 'spec', 'destination', 'namespace')
    return built.map((raw) => {
      const each = copy(raw)
      const kind = this.#api.resources.byKind(each.apiVersion, each.kind)
      if (each.metadata.namespace === undefined && namespace !== undefined && kind?.namespaced !== false)
        setNamespace(each, namespace, this.#api.resources)
      const cut = each.apiVersion.lastIndexOf('/')
      put(
        each,
        ['metadata', 'annotations', TRACKING],
        `${object.metadata.name}:${cut < 0 ? '' : each.apiVersion.slice(0, cut)}/${each.kind}:${each.metadata.namespace ?? namespace ?? ''}/${each.metadata.name}`,
      )
      return each
    })
  }

  #live(each: KubeObject): KubeObject | undefined {
    const kind = this.#api.resources.byKind(each.apiVersion, each.kind)
    return kind === undefined
      ? undefined
      : this.#api.store.get(kind, kind.namespaced ? each.metadata.namespace : undefined, each.metadata.name)
  }

  /** Whether the cluster has the object as Git says: a dry run of applying it would change nothing. */
  #matches(each: KubeObject): boolean {
    const kind = this.#api.resources.byKind(each.apiVersion, each.kind)
    const live = this.#live(each)
    if (kind === undefined || live === undefined) return false
    try {
      const { object } = this.#api.patch(
        kind,
        kind.namespaced ? each.metadata.namespace : undefined,
        each.metadata.name,
        'apply',
        each,
        { fieldManager: 'argocd-controller', force: true, dryRun: true },
      )
      const bare = (value: KubeObject) => ({
        ...value,
        metadata: { ...value.metadata, managedFields: undefined, generation: undefined },
      })
      return same(bare(object), bare(live))
    } catch (error) {
      if (error instanceof StatusError) return false
      throw error
    }
  }

  async #sync(object: KubeObject, objects: readonly KubeObject[]): Promise<string | undefined> {
    const namespace = text(object, 'spec', 'destination', 'namespace')
    const namespaces = this.#api.kind('v1', 'Namespace')
    if (
      list(object, 'spec', 'syncPolicy', 'syncOptions').includes('CreateNamespace=true') &&
      namespace !== undefined &&
      this.#api.store.get(namespaces, undefined, namespace) === undefined
    )
      this.#api.create(namespaces, undefined, { metadata: { name: namespace } }, { fieldManager: 'argocd-controller' })
    const wave = ({ metadata }: KubeObject) => Number(metadata.annotations?.['argocd.argoproj.io/sync-wave'] ?? '0')
    const ordered = [...objects].sort((a, b) => wave(a) - wave(b) || Number(isFoundation(b)) - Number(isFoundation(a)))
    for (const each of ordered) {
      const kind = this.#api.resources.byKind(each.apiVersion, each.kind)
      if (kind === undefined)
        return `The Kubernetes API could not find ${each.apiVersion.split('/')[0]}/${each.kind} for requested resource ${each.metadata.namespace ?? ''}/${each.metadata.name}. Make sure the "${each.kind}" CRD is installed on the destination cluster.`
      try {
        this.#api.patch(
          kind,
          kind.namespaced ? each.metadata.namespace : undefined,
          each.metadata.name,
          'apply',
          each,
          { fieldManager: 'argocd-controller', force: true },
        )
      } catch (error) {
        if (!(error instanceof StatusError)) throw error
        return error.message.trim()
      }
      if (each.kind === 'CustomResourceDefinition') await this.#engines.parts.clock.sleep(LOOK_MS)
    }
    return undefined
  }

  #prune(before: readonly unknown[], objects: readonly KubeObject[]): void {
    for (const entry of before) {
      const group = text(entry, 'group')
      const version = text(entry, 'version') ?? ''
      const kind = this.#api.resources.byKind(
        group === undefined ? version : `${group}/${version}`,
        text(entry, 'kind') ?? '',
      )
      const name = text(entry, 'name') ?? ''
      const namespace = text(entry, 'namespace')
      const kept = objects.some(
        (each) => each.kind === kind?.kind && each.metadata.name === name && each.metadata.namespace === namespace,
      )
      if (kind !== undefined && !kept && this.#api.store.get(kind, namespace, name) !== undefined)
        this.#api.delete(kind, namespace, name)
    }
  }

  #cascade(kind: ResourceKind, object: KubeObject): undefined {
    if (object.metadata.finalizers?.includes(CASCADE) === true) this.#prune(list(object, 'status', 'resources'), [])
    const rest = (object.metadata.finalizers ?? []).filter((finalizer) => finalizer !== CASCADE)
    if (rest.length === 0) this.#api.store.remove(kind, object.metadata.namespace, object.metadata.name)
    else
      this.#api.settle(kind, object, (draft) => {
        draft.metadata.finalizers = rest
      })
  }

  /** Application has no status subresource: its status is an ordinary field and changes do not count as generations here. */
  #status(kind: ResourceKind, object: KubeObject, status: Fields): void {
    this.#api.settle(kind, object, (draft) => {
      const next: Fields = { ...fields(draft, 'status'), ...status }
      for (const [key, value] of Object.entries(next)) if (value === undefined) delete next[key]
      const old = fields(draft, 'status')
      if (!same({ ...old, reconciledAt: '' }, { ...next, reconciledAt: '' })) draft['status'] = next
      delete draft['operation']
    })
  }
}

const healthOf = (object: KubeObject, status: string, now: string): Fields => ({
  lastTransitionTime:
    text(object, 'status', 'health', 'status') === status
      ? (text(object, 'status', 'health', 'lastTransitionTime') ?? now)
      : now,
  status,
})
