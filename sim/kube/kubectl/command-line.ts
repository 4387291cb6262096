/** A parsed kubectl command line: words, and flags with the values of each. */
export interface CommandLine {
  readonly words: readonly string[]
  flag(name: string): string | undefined
  flags(name: string): readonly string[]
  /** A switch given as `--x`, `--x=true` or `--x=false`. */
  on(name: string, fallback?: boolean): boolean
}

const SHORT: Readonly<Record<string, string>> = {
  n: 'namespace',
  A: 'all-namespaces',
  o: 'output',
  l: 'selector',
  f: 'filename',
  w: 'watch',
  R: 'recursive',
  k: 'kustomize',
  p: 'patch',
  s: 'server',
  v: 'v',
}

/** Flags that take no value of their own. */
const SWITCHES = new Set([
  'all-namespaces',
  'all',
  'server-side',
  'force-conflicts',
  'force',
  'overwrite',
  'ignore-not-found',
  'ignore-daemonsets',
  'delete-emptydir-data',
  'disable-eviction',
  'no-headers',
  'show-labels',
  'wait',
  'now',
  'watch',
  'recursive',
  'client',
  'short',
  'quiet',
  'list',
  'show-managed-fields',
  'validate',
  'insecure-skip-tls-verify',
])
/** Switches that may be given a bare value after `=` only, and mean something without one. */
const OPTIONAL_VALUE: Readonly<Record<string, string>> = {
  'dry-run': 'unchanged',
  cascade: 'background',
  validate: 'strict',
}

export function parseCommandLine(argv: readonly string[]): CommandLine {
  const words: string[] = []
  const values = new Map<string, string[]>()
  const add = (name: string, value: string) => values.set(name, [...(values.get(name) ?? []), value])
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? ''
    const long = /^--([^=]+)(?:=([\s\S]*))?$/.exec(word)
    const short = /^-([a-zA-Z])(?:=?([\s\S]+))?$/.exec(word)
    if (long !== null) {
      const [, name = '', value] = long
      if (value !== undefined) add(name, value)
      else if (SWITCHES.has(name)) add(name, 'true')
      else if (name in OPTIONAL_VALUE) add(name, OPTIONAL_VALUE[name] ?? '')
      else add(name, argv[++index] ?? '')
    } else if (short !== null && word !== '-') {
      const name = SHORT[short[1] ?? ''] ?? short[1] ?? ''
      if (SWITCHES.has(name)) add(name, 'true')
      else if (short[2] !== undefined) add(name, short[2])
      else add(name, argv[++index] ?? '')
    } else words.push(word)
  }
  return {
    words,
    flag: (name) => values.get(name)?.at(-1),
    flags: (name) => values.get(name) ?? [],
    on: (name, fallback = false) => {
      const value = values.get(name)?.at(-1)
      return value === undefined ? fallback : value !== 'false'
    },
  }
}

/** `60s`, `1m30s`, `0`; as Go reads durations, in milliseconds. */
export function durationMs(text: string): number {
  if (/^-?\d+$/.test(text)) return Number(text) * 1000
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
  return [...text.matchAll(/(-?[\d.]+)(ms|h|m|s)/g)].reduce(
    (sum, [, count = '0', unit = 's']) => sum + Number(count) * (units[unit] ?? 0),
    0,
  )
}
