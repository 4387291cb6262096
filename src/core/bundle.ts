/** Path in the repository (no leading `/` or `./`) → exact text. Paths are sorted, texts end in a newline. */
export type Bundle = ReadonlyMap<string, string>

/** Builds a bundle with its paths in code-unit order, so that equal content is equal bytes everywhere. */
export function bundle(files: Readonly<Record<string, string>>): Bundle {
  return new Map(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

export interface BundleChange {
  readonly path: string
  readonly change: 'added' | 'changed' | 'removed'
}

/** What committing `wanted` would do to files that hold `present`. */
export function bundleChanges(present: Bundle, wanted: Bundle): readonly BundleChange[] {
  const changes: BundleChange[] = []
  for (const [path, text] of wanted) {
    const old = present.get(path)
    if (old === undefined) changes.push({ path, change: 'added' })
    else if (old !== text) changes.push({ path, change: 'changed' })
  }
  for (const path of present.keys()) if (!wanted.has(path)) changes.push({ path, change: 'removed' })
  return changes.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}
