export interface Signature {
  readonly name: string
  readonly email: string
  /** ISO 8601 in UTC. */
  readonly date: string
}

export interface CommitObject {
  readonly sha: string
  readonly tree: string
  readonly parents: readonly string[]
  readonly author: Signature
  readonly committer: Signature
  readonly message: string
}

export interface TreeEntry {
  readonly mode: string
  readonly type: 'blob' | 'tree' | 'commit'
  readonly sha: string
  /** Bytes of a blob. */
  readonly size?: number
  readonly path: string
}

export interface FileChange {
  readonly status: 'added' | 'removed' | 'modified' | 'renamed' | 'changed'
  readonly path: string
  readonly previousPath?: string
  readonly sha: string
  readonly modes: readonly [before: string, after: string]
  /** Lines; 0 for a binary file. */
  readonly additions: number
  readonly deletions: number
  /** Hunks of the unified diff, without the file header; absent for a binary file. */
  readonly hunks?: string
}

export function parseRaw(text: string): readonly Omit<FileChange, 'additions' | 'deletions' | 'hunks'>[] {
  const fields = text.split('\0')
  const files: Omit<FileChange, 'additions' | 'deletions' | 'hunks'>[] = []
  for (let at = 0; at < fields.length - 1;) {
    const [before = '', after = '', oldSha = '', newSha = '', letter = ''] = (fields[at] ?? '').slice(1).split(' ')
    const first = fields[at + 1] ?? ''
    const modes = [before, after] as const
    switch (letter.slice(0, 1)) {
      case 'R':
        files.push({ status: 'renamed', path: fields[at + 2] ?? '', previousPath: first, sha: newSha, modes })
        at += 3
        continue
      case 'A':
        files.push({ status: 'added', path: first, sha: newSha, modes })
        break
      case 'D':
        files.push({ status: 'removed', path: first, sha: oldSha, modes })
        break
      case 'T':
        files.push({ status: 'changed', path: first, sha: newSha, modes })
        break
      default:
        files.push({ status: 'modified', path: first, sha: newSha, modes })
    }
    at += 2
  }
  return files
}

export function parseNumstat(text: string): readonly (readonly [additions: number, deletions: number])[] {
  const fields = text.split('\0')
  const counts: [number, number][] = []
  for (let at = 0; at < fields.length - 1;) {
    const [additions = '0', deletions = '0', path = ''] = (fields[at] ?? '').split('\t')
    counts.push([Number(additions) || 0, Number(deletions) || 0])
    at += path === '' ? 3 : 1
  }
  return counts
}

export function signatureLine({ name, email, date }: Signature): string {
  const clean = (text: string) => text.replaceAll(/[<>\n\0]/g, '')
  return `${clean(name)} <${clean(email)}> ${Math.floor(Date.parse(date) / 1000)} +0000`
}

export function parseCommit(sha: string, text: string): CommitObject {
  const split = text.indexOf('\n\n')
  const headers = text.slice(0, split).split('\n')
  const all = (name: string) =>
    headers.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1))
  return {
    sha,
    tree: all('tree')[0] ?? '',
    parents: all('parent'),
    author: parseSignature(all('author')[0] ?? ''),
    committer: parseSignature(all('committer')[0] ?? ''),
    message: text.slice(split + 2),
  }
}

function parseSignature(line: string): Signature {
  const match = /^(.*) <(.*)> (\d+) [+-]\d{4}$/.exec(line)
  const seconds = Number(match?.[3] ?? 0)
  return {
    name: match?.[1] ?? '',
    email: match?.[2] ?? '',
    date: new Date(seconds * 1000).toISOString().replace('.000Z', 'Z'),
  }
}
