import { createHash } from 'node:crypto'
import { request } from 'undici'
import { parse, parseAllDocuments } from 'yaml'
import type { Component, KubeObject } from '../../src/core/component.ts'
import { isRecord } from '../../src/core/conditions.ts'
import { mirrored } from '../../src/core/mirror.ts'
import { Problem } from '../../src/core/problem.ts'
import { redact } from '../../src/secrets/redact.ts'
import { helmTemplate } from './helm.ts'
import { httpsAgent, type Dial } from './https-agent.ts'
import type { LanKeys } from './keys.ts'
import type { Sources } from './sources.ts'

/** Largest manifest or chart. Argo CD's manifests, the biggest known, have 2 MB; charts with images in them are wrong. */
const MAX_BYTES = 32 * 1024 * 1024
/** Time without a byte; a home connection under load. */
const ANSWER_TIMEOUT_MS = 60_000
/** Release downloads redirect once or twice. */
const MAX_REDIRECTS = 5
/** Most objects of one component; the biggest charts have a few hundred. */
const MAX_OBJECTS = 5_000
/** Aliases in YAML from outside: more than any real manifest, too few to blow up. */
const MAX_ALIASES = 100

/**
 * Fetches manifests and charts, from mirrors where the spec names some, and renders charts.
 * @param keys - Holds the SHA-256 that each URL had when it was first fetched; the URL is upstream's, whatever mirror
 *   served it, so that a mirror cannot serve something else later.
 * @param helm - Path of the helm program.
 */
export function fetchedSources(
  dial: Dial,
  keys: Pick<LanKeys, 'artifacts' | 'recordArtifact'>,
  helm: string | undefined,
): Sources {
  async function pinned(upstream: string, from: string, signal?: AbortSignal): Promise<Buffer> {
    const bytes = await download(dial, from, upstream !== from, signal)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const first = keys.artifacts()[upstream]
    if (first === undefined) keys.recordArtifact(upstream, sha256)
    else if (first !== sha256)
      throw new Problem({
        code: 'source.changed',
        what: `${from} has other content than when it was first fetched (SHA-256 ${sha256}, before ${first})`,
        where: upstream,
        remedy: 'Find out who changed a published release. If it was changed on purpose, use the next version.',
        retry: 'never',
      })
    return bytes
  }

  async function chart(
    source: Extract<Component['source'], { from: 'chart' }>,
    mirrors: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<{ readonly reference: string; readonly version?: string } | { readonly archive: Buffer }> {
    const repository = mirrored(source.repository, mirrors)
    // helm itself speaks the registry protocol; it verifies the digest that the registry names.
    if (repository.startsWith('oci://'))
      return { reference: `${repository.replace(/\/$/, '')}/${source.chart}`, version: source.version }
    const index = `${repository.replace(/\/$/, '')}/index.yaml`
    const document = yaml(await download(dial, index, repository !== source.repository, signal), index)
    const url = archiveUrl(document, source)
    if (url === undefined)
      throw new Problem({
        code: 'source.no-chart',
        what: `${index} has no chart "${source.chart}" at version ${source.version}`,
        where: index,
        remedy: 'Choose a version that the repository has, or put this one into the mirror.',
        retry: 'later',
      })
    const upstream = new URL(url, `${source.repository.replace(/\/$/, '')}/`).href
    // A mirror's index may name its own archives or upstream's.
    const from = /^[a-z]+:\/\//i.test(url)
      ? mirrored(url, mirrors)
      : new URL(url, `${repository.replace(/\/$/, '')}/`).href
    return { archive: await pinned(upstream, from, signal) }
  }

  return {
    async objects(component, { mirrors, kubernetesVersion, signal }) {
      const { source } = component
      switch (source.from) {
        case 'objects':
          return source.objects
        case 'url': {
          const from = mirrored(source.url, mirrors.manifests)
          return manifestObjects(decode(await pinned(source.url, from, signal), from), from)
        }
        case 'chart': {
          const text = await helmTemplate(helm, {
            release: component.name,
            namespace: component.namespace,
            chart: await chart(source, mirrors.charts, signal),
            values: source.values,
            kubernetesVersion,
            ...(signal === undefined ? {} : { signal }),
          })
          return manifestObjects(text, `chart ${source.chart} ${source.version}`)
        }
        case 'path':
          throw new Problem({
            code: 'source.path',
            what: `"${component.name}" is the folder ${source.path} of the repository, which only the engine applies`,
            retry: 'never',
          })
        default:
          return source satisfies never
      }
    },
  }
}

/** The objects of a manifest with any number of documents; lists are taken apart. */
export function manifestObjects(text: string, where: string): readonly KubeObject[] {
  const objects: KubeObject[] = []
  for (const document of parseAllDocuments(text)) {
    const [error] = document.errors
    if (error !== undefined) throw unreadable(where, error.message.split('\n')[0] ?? '')
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
    if (value === null || value === undefined) continue
    for (const object of isRecord(value) && isList(value) ? value.items : [value])
      objects.push(kubeObject(object, where))
    if (objects.length > MAX_OBJECTS) throw unreadable(where, `it has more than ${MAX_OBJECTS} objects`)
  }
  return objects
}

function isList(value: Readonly<Record<string, unknown>>): value is { readonly items: readonly unknown[] } {
  return value['kind'] === 'List' && Array.isArray(value['items'])
}

function kubeObject(value: unknown, where: string): KubeObject {
  const metadata = isRecord(value) ? value['metadata'] : undefined
  if (
    !isRecord(value) ||
    typeof value['apiVersion'] !== 'string' ||
    typeof value['kind'] !== 'string' ||
    !isRecord(metadata) ||
    typeof metadata['name'] !== 'string'
  )
    throw unreadable(where, 'it holds something that is no Kubernetes object with a name')
  return value as unknown as KubeObject
}

/** Where the index says that a chart's archive is, relative or absolute. */
function archiveUrl(index: unknown, source: { readonly chart: string; readonly version: string }): string | undefined {
  const entries = isRecord(index) && isRecord(index['entries']) ? index['entries'][source.chart] : undefined
  const wanted = source.version.replace(/^v/, '')
  const entry: unknown = Array.isArray(entries)
    ? entries.find((one: unknown) => isRecord(one) && String(one['version']).replace(/^v/, '') === wanted)
    : undefined
  const urls = isRecord(entry) ? entry['urls'] : undefined
  const first: unknown = Array.isArray(urls) ? urls[0] : undefined
  return typeof first === 'string' ? first : undefined
}

function decode(bytes: Buffer, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw unreadable(where, 'it is not UTF-8 text')
  }
}

function yaml(bytes: Buffer, where: string): unknown {
  try {
    return parse(decode(bytes, where), { maxAliasCount: MAX_ALIASES })
  } catch (error) {
    if (error instanceof Problem) throw error
    throw unreadable(where, error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}

function unreadable(where: string, why: string): Problem {
  return new Problem({
    code: 'source.unreadable',
    what: `reading ${where}: ${redact(why)}`,
    where,
    remedy: 'See what is at that address; a proxy or a login page in between gives other content.',
    retry: 'later',
  })
}

/** @param fromMirror - Plain HTTP is for addresses that the spec names as mirrors, and their redirects to themselves. */
async function download(dial: Dial, from: string, fromMirror: boolean, signal?: AbortSignal): Promise<Buffer> {
  const agent = httpsAgent(dial, {}, ANSWER_TIMEOUT_MS)
  try {
    let url = new URL(from)
    const start = url
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      if (url.protocol !== 'https:' && !(url.protocol === 'http:' && fromMirror && url.host === start.host))
        throw new Problem({
          code: 'source.plain-http',
          what: `${url.href} is not fetched without TLS`,
          remedy: 'Use https, or name the address as a mirror in the spec.',
          retry: 'never',
        })
      const response = await request(url, { dispatcher: agent, ...(signal === undefined ? {} : { signal }) })
      const location = response.headers['location']
      if (response.statusCode >= 300 && response.statusCode < 400 && typeof location === 'string') {
        await response.body.dump()
        url = new URL(location, url)
        continue
      }
      if (response.statusCode !== 200) {
        await response.body.dump()
        throw unreachable(url, `HTTP ${response.statusCode}`, response.statusCode >= 500 ? 'now' : 'later')
      }
      return await limited(response.body, url)
    }
    throw unreachable(url, `more than ${MAX_REDIRECTS} redirects`, 'later')
  } catch (error) {
    if (error instanceof Problem || signal?.aborted === true) throw error
    throw unreachable(new URL(from), error instanceof Error ? error.message : String(error), 'now', error)
  } finally {
    await agent.destroy()
  }
}

async function limited(body: AsyncIterable<Buffer>, url: URL): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > MAX_BYTES)
      throw new Problem({
        code: 'source.too-long',
        what: `${url.href} is longer than ${MAX_BYTES / 1024 / 1024} MiB`,
        retry: 'never',
      })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function unreachable(url: URL, why: string, retry: 'now' | 'later', cause?: unknown): Problem {
  return new Problem(
    {
      code: 'source.unreachable',
      what: `fetching ${redact(url.href)}: ${redact(why)}`,
      where: redact(url.href),
      remedy: 'See whether the runner reaches that address; `mirrors` in the spec can name another.',
      retry,
    },
    { cause },
  )
}
