import { clusterFile } from '../core/layout.ts'

/** One cluster's files in a commit. */
export interface ClusterTree {
  readonly cluster: string
  /** Path → blob id, below `clusters/<cluster>/`. */
  readonly files: ReadonlyMap<string, string>
  /** Blob id of `cluster.yaml`, when there is one. */
  readonly specBlob?: string
}

/** A folder that could be a cluster; others below `clusters/` are nobody's. */
const CLUSTER = /^clusters\/([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\//

/** Sorts the files of a commit (path → blob id) by the cluster that they belong to. */
export function clusterTrees(files: ReadonlyMap<string, string>): ReadonlyMap<string, ClusterTree> {
  const folders = new Map<string, Map<string, string>>()
  for (const [path, blob] of files) {
    const cluster = CLUSTER.exec(path)?.[1]
    if (cluster === undefined) continue
    const folder = folders.get(cluster) ?? new Map<string, string>()
    folders.set(cluster, folder.set(path, blob))
  }
  return new Map(
    [...folders]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([cluster, folder]) => {
        const specBlob = folder.get(clusterFile(cluster))
        return [cluster, { cluster, files: folder, ...(specBlob === undefined ? {} : { specBlob }) }]
      }),
  )
}

/** Clusters of which any file was added, changed or removed between two commits, in order of their names. */
export function affectedClusters(
  before: ReadonlyMap<string, ClusterTree>,
  now: ReadonlyMap<string, ClusterTree>,
): readonly string[] {
  const names = [...new Set([...before.keys(), ...now.keys()])].sort()
  return names.filter((name) => !sameFiles(before.get(name)?.files, now.get(name)?.files))
}

function sameFiles(a: ReadonlyMap<string, string> | undefined, b: ReadonlyMap<string, string> | undefined): boolean {
  if (a === undefined || b === undefined || a.size !== b.size) return a === b
  for (const [path, blob] of a) if (b.get(path) !== blob) return false
  return true
}

const encoder = new TextEncoder()

/** The id that Git gives a file of this text; SHA-256 repositories have ids of 64 digits. */
export async function gitBlobId(text: string, like: string): Promise<string> {
  const body = encoder.encode(text)
  const head = encoder.encode(`blob ${body.length}\0`)
  const bytes = new Uint8Array(head.length + body.length)
  bytes.set(head)
  bytes.set(body, head.length)
  const hash = await crypto.subtle.digest(like.length === 64 ? 'SHA-256' : 'SHA-1', bytes)
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
