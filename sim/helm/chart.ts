import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { unpack } from '../mirror/archive.ts'

/** A download that takes longer is taken for dead. */
const DOWNLOAD_TIMEOUT_MS = 30_000

export interface Chart {
  readonly name: string
  readonly version: string
  readonly appVersion: string
  readonly values: Readonly<Record<string, unknown>>
  /** `templates/x.yaml` → text, in order of name. */
  readonly templates: ReadonlyMap<string, string>
  readonly crds: ReadonlyMap<string, string>
}

export interface Archive {
  /** e.g. `cilium-1.20.0.tgz` */
  readonly file: string
  readonly bytes: Uint8Array
}

/** Fetches a chart from a repository, or reads the archive at a path. */
export async function fetchArchive(
  chart: string,
  { repo, version }: { readonly repo: string | undefined; readonly version: string | undefined },
): Promise<Archive> {
  if (chart.startsWith('oci://')) throw new Error('OCI registries are not known to this stand-in for helm')
  if (repo === undefined) {
    if (/^https?:/.test(chart)) return { file: chart.slice(chart.lastIndexOf('/') + 1), bytes: await download(chart) }
    return { file: chart.slice(chart.lastIndexOf('/') + 1), bytes: readFileSync(chart) }
  }
  const base = repo.endsWith('/') ? repo : `${repo}/`
  const index = parse(Buffer.from(await download(`${base}index.yaml`)).toString()) as {
    readonly entries?: Readonly<
      Record<
        string,
        readonly { readonly version: string; readonly urls: readonly string[]; readonly digest?: string }[]
      >
    >
  }
  const entries = index.entries?.[chart] ?? []
  const entry = version === undefined ? entries[0] : entries.find((one) => one.version === version.replace(/^v/, ''))
  const [url] = entry?.urls ?? []
  if (entry === undefined || url === undefined) {
    throw new Error(
      `chart "${chart}" ${version === undefined ? '' : `version "${version}" `}not found in ${repo} repository`,
    )
  }
  const bytes = await download(new URL(url, base).href)
  const digest = createHash('sha256').update(bytes).digest('hex')
  if (entry.digest !== undefined && entry.digest !== digest)
    throw new Error(`digest of ${url} does not match the index`)
  return { file: url.slice(url.lastIndexOf('/') + 1), bytes }
}

async function download(url: string): Promise<Uint8Array> {
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) })
  if (!response.ok) throw new Error(`failed to fetch ${url} : ${response.status} ${response.statusText}`)
  return new Uint8Array(await response.arrayBuffer())
}

export function readChart(bytes: Uint8Array): Chart {
  const files = new Map(
    [...unpack(bytes)].map(([path, content]) => [path.slice(path.indexOf('/') + 1), Buffer.from(content).toString()]),
  )
  const about = files.get('Chart.yaml')
  if (about === undefined) throw new Error('Chart.yaml file is missing')
  const { name, version, appVersion = '', dependencies } = parse(about) as Record<string, unknown>
  if (dependencies !== undefined) throw new Error('charts with dependencies are not known to this stand-in for helm')
  if (typeof name !== 'string' || typeof version !== 'string')
    throw new Error('chart.metadata.name and version are required')
  const under = (folder: string) =>
    new Map(
      [...files]
        .filter(([path]) => path.startsWith(folder) && path.endsWith('.yaml'))
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    )
  const helper = [...files.keys()].find((path) => path.startsWith('templates/') && /\.(tpl|txt)$/.test(path))
  if (helper !== undefined)
    throw new Error(`${helper}: named templates and notes are not known to this stand-in for helm`)
  return {
    name,
    version,
    appVersion: typeof appVersion === 'string' ? appVersion : '',
    values: (parse(files.get('values.yaml') ?? '{}') ?? {}) as Record<string, unknown>,
    templates: under('templates/'),
    crds: under('crds/'),
  }
}
