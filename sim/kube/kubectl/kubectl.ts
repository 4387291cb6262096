import { dump } from './version.ts'
import type { KubeObject } from '../object.ts'
import { list, text } from '../object.ts'
import type { ResourceKind } from '../resource.ts'
import { HEALTH_CHECKS, versionInfo } from '../server.ts'
import { StatusError, notFound } from '../status.ts'
import type { Answer, KubectlSeams } from './answer.ts'
import { UsageError } from './answer.ts'
import { apply, manifests, mapped } from './apply.ts'
import type { CommandLine } from './command-line.ts'
import { durationMs, parseCommandLine } from './command-line.ts'
import { drain } from './drain.ts'
import { evaluate } from './json-path.ts'
import { mark, setUnschedulable, taint } from './node-commands.ts'
import { isRolledOut } from '../rolled-out.ts'
import { printed, shortForm, table } from './print.ts'

/** How often `wait` and `rollout status` look, and how long they wait unless told. */
const LOOK_MS = 500
const WAIT_MS = 30_000

const said = (stdout: string, stderr = ''): Answer => ({ exit: 0, stdout, stderr })

/**
 * Answers a kubectl command line as an administrator. Files named with `-f` are given by the caller as `stdin`.
 * @param argv - Without the program's name.
 */
export async function runKubectl(seams: KubectlSeams, argv: readonly string[], stdin: string): Promise<Answer> {
  const line = parseCommandLine(argv[0] === 'kubectl' ? argv.slice(1) : argv)
  try {
    return await run(seams, line, stdin)
  } catch (error) {
    if (error instanceof UsageError) return { exit: 1, stdout: '', stderr: `error: ${error.message}\n` }
    if (!(error instanceof StatusError)) throw error
    if (error.reason === 'Invalid') {
      const { message } = error
      return { exit: 1, stdout: '', stderr: `The ${message.replace(/^(\w+)(?:\.\S+)? "/, '$1 "')}\n` }
    }
    return {
      exit: 1,
      stdout: '',
      stderr: `Error from server${error.reason === '' ? '' : ` (${error.reason})`}: ${error.message}\n`,
    }
  }
}

async function run(seams: KubectlSeams, line: CommandLine, stdin: string): Promise<Answer> {
  const [command = '', ...words] = line.words
  const namespace = line.flag('namespace') ?? 'default'
  switch (command) {
    case 'get':
      return get(seams, line, words, namespace, stdin)
    case 'apply':
      return said(apply(seams, line, stdin, namespace))
    case 'create':
      return create(seams, line, words, namespace, stdin)
    case 'delete':
      return remove(seams, line, words, namespace, stdin)
    case 'label':
    case 'annotate': {
      const changes = words.filter(
        (word) => (/^[^=]+=|-$/.test(word) && !word.includes('/')) || /^[^/]+\/[^=]+(=|-$)/.test(word),
      )
      const targets = words.filter((word) => !changes.includes(word))
      return said(
        find(seams, line, targets, namespace)
          .map(({ kind, object }) =>
            mark(seams, line, command === 'label' ? 'labels' : 'annotations', kind, object, changes),
          )
          .join(''),
      )
    }
    case 'taint': {
      const changes = words.filter((word) => /:|-$/.test(word))
      const targets = words.filter((word) => !changes.includes(word))
      return said(
        find(seams, line, targets, namespace)
          .map(({ object }) => taint(seams, line, object, changes))
          .join(''),
      )
    }
    case 'cordon':
    case 'uncordon':
      return said(words.map((word) => setUnschedulable(seams, bare(word), command === 'cordon')).join(''))
    case 'drain':
      return drain(seams, line, bare(words[0] ?? ''))
    case 'wait':
      return wait(seams, line, words, namespace)
    case 'rollout':
      return rollout(seams, line, words, namespace)
    case 'patch':
      return patch(seams, line, words, namespace)
    case 'version':
      return said(dump(seams.version, line.flag('output'), line.on('client')))
    case 'auth': {
      const kind = seams.api.resources.byWord(words[2] ?? '')
      const scope = kind?.namespaced === false ? `Warning: resource '${kind.plural}' is not namespace scoped\n\n` : ''
      return words[0] === 'can-i' ? said('yes\n', scope) : unknown(`auth ${words[0] ?? ''}`)
    }
    case 'api-resources':
      return said(
        seams.api.resources
          .all()
          .map((kind) => `${kind.plural}\n`)
          .join(''),
      )
    case 'cluster-info':
      return said('Kubernetes control plane is running\n')
    default:
      return unknown(command)
  }
}

const unknown = (command: string): Answer => ({
  exit: 1,
  stdout: '',
  stderr: `error: unknown command "${command}" for "kubectl"\n`,
})
const bare = (word: string): string => word.replace(/^(nodes?|no)\//, '')

function kindNamed({ api }: KubectlSeams, word: string): ResourceKind {
  const kind = api.resources.byWord(word)
  if (kind === undefined) throw new UsageError(`the server doesn't have a resource type "${word}"`)
  return kind
}

interface Found {
  readonly kind: ResourceKind
  readonly object: KubeObject
}

/** `node k3`, `node/k3 node/k4`, `pods -l a=b`, `nodes --all`. */
function find(seams: KubectlSeams, line: CommandLine, words: readonly string[], namespace: string): readonly Found[] {
  const { api } = seams
  const [first = '', ...names] = words
  const selector = line.flag('selector')
  if (first.includes('/'))
    return words.map((word) => {
      const kind = kindNamed(seams, word.slice(0, word.indexOf('/')))
      return { kind, object: api.get(kind, kind.namespaced ? namespace : undefined, word.slice(word.indexOf('/') + 1)) }
    })
  const kind = kindNamed(seams, first)
  const scope = kind.namespaced ? namespace : undefined
  if (names.length > 0) return names.map((name) => ({ kind, object: api.get(kind, scope, name) }))
  if (selector === undefined && !line.on('all'))
    throw new UsageError('resource(s) were provided, but no name was specified')
  return api
    .list(kind, line.on('all-namespaces') ? undefined : scope, {
      labelSelector: selector ?? '',
      fieldSelector: line.flag('field-selector') ?? '',
    })
    .items.map((object) => ({ kind, object }))
}

function get(
  seams: KubectlSeams,
  line: CommandLine,
  words: readonly string[],
  namespace: string,
  stdin: string,
): Answer {
  const { api, clock } = seams
  const raw = line.flag('raw')
  if (raw !== undefined) return getRaw(seams, raw)
  const format = line.flag('output') ?? ''
  const everywhere = line.on('all-namespaces')
  const now = clock.now()
  const missing = (error: unknown): Answer => {
    if (error instanceof StatusError && error.code === 404 && line.on('ignore-not-found')) return said('')
    throw error
  }
  if (line.flag('filename') !== undefined) {
    const objects = manifests(stdin).map((object) => {
      const kind = mapped(seams, object)
      return {
        kind,
        object: api.get(
          kind,
          kind.namespaced ? (object.metadata.namespace ?? namespace) : undefined,
          object.metadata.name,
        ),
      }
    })
    const [first] = objects
    return first === undefined
      ? said('')
      : said(
          output(
            first.kind,
            objects.map(({ object }) => object),
            objects.length === 1,
          ),
        )
  }
  const [first = '', ...names] = words
  function output(kind: ResourceKind, objects: readonly KubeObject[], single: boolean): string {
    if (format !== '' && format !== 'wide') {
      try {
        return printed(format, kind, objects, single)
      } catch (error) {
        throw new UsageError(error instanceof Error ? error.message : String(error))
      }
    }
    return table(kind, objects, {
      wide: format === 'wide',
      withNamespace: everywhere && kind.namespaced,
      headers: !line.on('no-headers'),
      now,
    })
  }
  try {
    if (first.includes('/')) {
      const found = find(seams, line, words, namespace)
      const [one] = found
      return one === undefined
        ? said('')
        : said(
            output(
              one.kind,
              found.map(({ object }) => object),
              found.length === 1,
            ),
          )
    }
    let text_ = ''
    const empty: string[] = []
    for (const word of first.split(',')) {
      const kind = kindNamed(seams, word)
      const scope = kind.namespaced && !everywhere ? namespace : undefined
      if (names.length > 0)
        text_ += output(
          kind,
          names.map((name) => api.get(kind, scope, name)),
          names.length === 1,
        )
      else {
        const { items } = api.list(kind, scope, {
          labelSelector: line.flag('selector') ?? '',
          fieldSelector: line.flag('field-selector') ?? '',
        })
        text_ += output(kind, items, false)
        if (items.length === 0)
          empty.push(scope === undefined ? 'No resources found\n' : `No resources found in ${namespace} namespace.\n`)
      }
    }
    return said(
      text_,
      text_ === '' && format !== 'name' && !format.startsWith('jsonpath') && !line.on('ignore-not-found')
        ? (empty[0] ?? '')
        : '',
    )
  } catch (error) {
    return missing(error)
  }
}

function getRaw({ api, version }: KubectlSeams, raw: string): Answer {
  const url = new URL(raw, 'https://kubernetes')
  const path = url.pathname
  if (path === '/version') return said(JSON.stringify(versionInfo(version), null, 2))
  const check = /^\/(livez|readyz|healthz)$/.exec(path)?.[1]
  if (check !== undefined)
    return said(
      url.searchParams.has('verbose')
        ? `${HEALTH_CHECKS.map((name) => `[+]${name} ok\n`).join('')}${check} check passed\n`
        : 'ok',
    )
  const [, root, ...parts] = path.split('/')
  const apiVersion = root === 'api' ? parts.shift() : `${parts.shift()}/${parts.shift()}`
  const scoped = parts[0] === 'namespaces' && parts.length > 2
  const [plural = '', name] = scoped ? parts.slice(2) : parts
  const kind = api.resources.byPath(apiVersion ?? '', plural)
  if (kind === undefined) throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {})
  const namespace = scoped ? parts[1] : undefined
  return said(`${JSON.stringify(name === undefined ? api.list(kind, namespace) : api.get(kind, namespace, name))}\n`)
}

function create(
  seams: KubectlSeams,
  line: CommandLine,
  words: readonly string[],
  namespace: string,
  stdin: string,
): Answer {
  const { api } = seams
  const options = {
    fieldManager: 'kubectl-create',
    fieldValidation: 'Strict' as const,
    dryRun: (line.flag('dry-run') ?? 'none') !== 'none',
  }
  if (line.flag('filename') !== undefined)
    return said(
      manifests(stdin)
        .map((object) => {
          const kind = mapped(seams, object)
          const made = api.create(
            kind,
            kind.namespaced ? (object.metadata.namespace ?? namespace) : undefined,
            object,
            options,
          )
          return `${shortForm(kind, made.object.metadata.name)} created\n`
        })
        .join(''),
    )
  const [what = '', name = ''] = words
  if (!['namespace', 'ns', 'serviceaccount', 'sa'].includes(what)) return unknown(`create ${what}`)
  const kind = kindNamed(seams, what)
  api.create(kind, kind.namespaced ? namespace : undefined, { metadata: { name } }, options)
  return said(`${shortForm(kind, name)} created\n`)
}

async function remove(
  seams: KubectlSeams,
  line: CommandLine,
  words: readonly string[],
  namespace: string,
  stdin: string,
): Promise<Answer> {
  const { api, clock } = seams
  const quiet = line.on('ignore-not-found')
  const cascade = line.flag('cascade')
  const grace = line.flag('grace-period')
  const options = {
    propagationPolicy:
      cascade === 'orphan'
        ? ('Orphan' as const)
        : cascade === 'foreground'
          ? ('Foreground' as const)
          : ('Background' as const),
    ...(grace === undefined || Number(grace) < 0 ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(line.on('now') ? { gracePeriodSeconds: 1 } : {}),
  }
  const targets: Found[] = []
  let stderr = ''
  const look = (kind: ResourceKind, scope: string | undefined, name: string) => {
    const object = api.store.get(kind, scope, name)
    if (object !== undefined) targets.push({ kind, object })
    else if (!quiet) stderr += `Error from server (NotFound): ${notFound(kind, name).message}\n`
  }
  if (line.flag('filename') !== undefined)
    for (const object of manifests(stdin)) {
      const kind = mapped(seams, object)
      look(kind, kind.namespaced ? (object.metadata.namespace ?? namespace) : undefined, object.metadata.name)
    }
  else if ((words[0] ?? '').includes('/'))
    for (const word of words) {
      const kind = kindNamed(seams, word.slice(0, word.indexOf('/')))
      look(kind, kind.namespaced ? namespace : undefined, word.slice(word.indexOf('/') + 1))
    }
  else if (words.length > 1) {
    const kind = kindNamed(seams, words[0] ?? '')
    for (const name of words.slice(1)) look(kind, kind.namespaced ? namespace : undefined, name)
  } else targets.push(...find(seams, line, words, namespace))
  let stdout = ''
  for (const { kind, object } of targets) {
    const { name } = object.metadata
    api.delete(kind, object.metadata.namespace, name, options)
    const title = kind.group === '' ? kind.singular : `${kind.singular}.${kind.group}`
    const force = line.on('force') && options.gracePeriodSeconds === 0 ? 'force deleted' : 'deleted'
    stdout += `${title} "${name}" ${force}${kind.namespaced ? ` from ${object.metadata.namespace} namespace` : ''}\n`
  }
  const limit = durationMs(line.flag('timeout') ?? '0') || ENDLESS_DELETE_MS
  if (line.on('wait', true))
    for (const { kind, object } of targets)
      for (
        let waited = 0;
        api.store.get(kind, object.metadata.namespace, object.metadata.name)?.metadata.uid === object.metadata.uid;
        waited += LOOK_MS
      ) {
        if (waited >= limit)
          return {
            exit: 1,
            stdout,
            stderr: `${stderr}error: timed out waiting for the condition on ${kind.plural}/${object.metadata.name}\n`,
          }
        await clock.sleep(LOOK_MS)
      }
  return { exit: stderr === '' ? 0 : 1, stdout, stderr }
}

/** Deleting waits for finalizers without end; here for an hour of simulated time. */
const ENDLESS_DELETE_MS = 3_600_000

async function wait(
  seams: KubectlSeams,
  line: CommandLine,
  words: readonly string[],
  namespace: string,
): Promise<Answer> {
  const { clock } = seams
  const condition = line.flag('for') ?? ''
  const limit = line.flag('timeout') === undefined ? WAIT_MS : durationMs(line.flag('timeout') ?? '')
  const met = conditionTest(condition)
  const gone = condition === 'delete'
  const creation = condition === 'create'
  for (let waited = 0; ; waited += LOOK_MS) {
    let targets: readonly Found[]
    try {
      targets = find(seams, line, words, namespace)
    } catch (error) {
      if (!(error instanceof StatusError) || error.code !== 404 || !(gone || creation)) throw error
      if (gone)
        return said(
          words
            .filter((word) => word.includes('/'))
            .map((word) => `${word} condition met\n`)
            .join(''),
        )
      targets = []
    }
    const done = creation
      ? targets.length > 0
      : gone
        ? targets.length === 0
        : targets.length > 0 && targets.every(({ object }) => met(object))
    if (targets.length === 0 && !creation && !gone) throw new UsageError('no matching resources found')
    if (done)
      return said(
        targets.map(({ kind, object }) => `${shortForm(kind, object.metadata.name)} condition met\n`).join(''),
      )
    if (waited >= limit) {
      const late = targets.filter(({ object }) => gone || !met(object))
      return {
        exit: 1,
        stdout: targets
          .filter(({ object }) => !gone && met(object))
          .map(({ kind, object }) => `${shortForm(kind, object.metadata.name)} condition met\n`)
          .join(''),
        stderr:
          late
            .map(
              ({ kind, object }) =>
                `error: timed out waiting for the condition on ${kind.plural}/${object.metadata.name}\n`,
            )
            .join('') || 'error: timed out waiting for the condition\n',
      }
    }
    await clock.sleep(LOOK_MS)
  }
}

function conditionTest(condition: string): (object: KubeObject) => boolean {
  const named = /^condition=([^=]+)(?:=(.+))?$/.exec(condition)
  if (named !== null) {
    const [, type = '', status = 'True'] = named
    return (object) =>
      list(object, 'status', 'conditions').some(
        (item) =>
          text(item, 'type')?.toLowerCase() === type.toLowerCase() &&
          text(item, 'status')?.toLowerCase() === status.toLowerCase(),
      )
  }
  const path = /^jsonpath='?\{([^}]*)\}'?(?:=(.*))?$/s.exec(condition)
  if (path !== null)
    return (object) => {
      const found = evaluate(path[1] ?? '', object)
      return path[2] === undefined ? found.length > 0 : found.some((value) => String(value) === path[2])
    }
  if (condition === 'delete' || condition === 'create') return () => false
  throw new UsageError(`unrecognized condition: "${condition}"`)
}

async function rollout(
  { api, clock, ...rest }: KubectlSeams,
  line: CommandLine,
  words: readonly string[],
  namespace: string,
): Promise<Answer> {
  const [verb = '', ...targets] = words
  if (verb !== 'status' && verb !== 'restart') return unknown(`rollout ${verb}`)
  const [found] = find({ api, clock, ...rest }, line, targets, namespace)
  if (found === undefined) throw new UsageError('required resource not specified')
  const { kind } = found
  const { name } = found.object.metadata
  if (verb === 'restart') {
    const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date(clock.now()).toISOString() }
    api.patch(
      kind,
      namespace,
      name,
      'strategic',
      { spec: { template: { metadata: { annotations } } } },
      { fieldManager: 'kubectl-rollout' },
    )
    return said(`${shortForm(kind, name)} restarted\n`)
  }
  const limit = line.flag('timeout') === undefined ? ENDLESS_DELETE_MS : durationMs(line.flag('timeout') ?? '')
  for (let waited = 0; ; waited += LOOK_MS) {
    if (isRolledOut(api.get(kind, namespace, name)))
      return said(
        kind.kind === 'DaemonSet'
          ? `daemon set "${name}" successfully rolled out\n`
          : kind.kind === 'Deployment'
            ? `deployment "${name}" successfully rolled out\n`
            : `statefulset rolling update complete\n`,
      )
    if (waited >= limit) return { exit: 1, stdout: '', stderr: 'error: timed out waiting for the condition\n' }
    await clock.sleep(LOOK_MS)
  }
}

function patch(seams: KubectlSeams, line: CommandLine, words: readonly string[], namespace: string): Answer {
  const type = line.flag('type') ?? 'strategic'
  if (type !== 'json' && type !== 'merge' && type !== 'strategic')
    throw new UsageError(`--type must be one of [json merge strategic], not "${type}"`)
  const [document] = manifestsOf(line.flag('patch') ?? '')
  return said(
    find(seams, line, words, namespace)
      .map(({ kind, object }) => {
        const subresource = line.flag('subresource') === 'status' ? { subresource: 'status' as const } : {}
        const { object: after } = seams.api.patch(
          kind,
          object.metadata.namespace,
          object.metadata.name,
          type,
          document,
          { fieldManager: 'kubectl-patch', ...subresource },
        )
        return `${shortForm(kind, object.metadata.name)} patched${after.metadata.resourceVersion === object.metadata.resourceVersion ? ' (no change)' : ''}\n`
      })
      .join(''),
  )
}

function manifestsOf(source: string): readonly unknown[] {
  try {
    return [JSON.parse(source)]
  } catch (cause) {
    throw new UsageError(`unable to parse "${source}": ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
