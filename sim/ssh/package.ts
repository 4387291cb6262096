/** Held by whoever installs, so that only one does. */
export const LOCK_FRONTEND = '/var/lib/dpkg/lock-frontend'

/** A package as a repository offers it. */
export interface Offered {
  readonly name: string
  readonly version: string
  readonly depends: readonly string[]
  /** Size of the archive in kB, and on disk. */
  readonly kb: number
  readonly installedKb: number
  /** Programs that it puts on the disk. */
  readonly programs: readonly string[]
  readonly units: readonly string[]
  readonly conflicts: readonly string[]
}

export interface Installed {
  readonly name: string
  version: string
  held: boolean
  auto: boolean
  /** Removed, its configuration kept. */
  configOnly?: boolean
}

/** An apt repository as a line in a sources list names it. */
export interface Source {
  readonly file: string
  readonly line: number
  readonly uri: string
  readonly suite: string
  readonly components: readonly string[]
  readonly signedBy: string | undefined
  readonly trusted: boolean
}

/** Order of two Debian versions, by epoch, upstream version and revision, as dpkg compares them. */
export function compareVersions(a: string, b: string): number {
  const split = (version: string): [number, string, string] => {
    const epoch = /^(\d+):/.exec(version)
    const rest = epoch === null ? version : version.slice(epoch[0].length)
    const dash = rest.lastIndexOf('-')
    return [Number(epoch?.[1] ?? 0), dash < 0 ? rest : rest.slice(0, dash), dash < 0 ? '' : rest.slice(dash + 1)]
  }
  const [epochA, upstreamA, revisionA] = split(a)
  const [epochB, upstreamB, revisionB] = split(b)
  return epochA - epochB || comparePart(upstreamA, upstreamB) || comparePart(revisionA, revisionB)
}

function comparePart(a: string, b: string): number {
  let restA = a
  let restB = b
  while (restA !== '' || restB !== '') {
    const wordA = /^\D*/.exec(restA)![0]
    const wordB = /^\D*/.exec(restB)![0]
    for (let n = 0; n < Math.max(wordA.length, wordB.length); n++) {
      const order = weight(wordA[n]) - weight(wordB[n])
      if (order !== 0) return order
    }
    restA = restA.slice(wordA.length)
    restB = restB.slice(wordB.length)
    const numberA = /^\d*/.exec(restA)![0]
    const numberB = /^\d*/.exec(restB)![0]
    const order = Number(numberA || 0) - Number(numberB || 0)
    if (order !== 0) return order
    restA = restA.slice(numberA.length)
    restB = restB.slice(numberB.length)
  }
  return 0
}

/** A tilde sorts before the end of the word, letters before everything else. */
function weight(char: string | undefined): number {
  if (char === undefined) return 0
  if (char === '~') return -1
  return /[a-z]/i.test(char) ? char.charCodeAt(0) : char.charCodeAt(0) + 256
}

/** Version glob of apt: `1.36.4*` or exact. */
export function matchesVersion(version: string, asked: string): boolean {
  if (!asked.includes('*')) return version === asked
  const pattern = asked.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${pattern.join('.*')}$`).test(version)
}
