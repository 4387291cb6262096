/** What people can say in a comment on a pull. */
const COMMANDS = ['plan', 'apply', 'status', 'cancel'] as const
type CommandName = (typeof COMMANDS)[number]

export type Command =
  | { readonly kind: CommandName; readonly clusters: readonly string[] }
  /** Meant for us and not understood: it gets an answer, never an effect. */
  | { readonly kind: 'unknown'; readonly word: string }

/** Commands in one comment; the rest are left out, as a comment with more is no conversation. */
const MAX_COMMANDS = 10
/** Clusters named in one command. */
const MAX_CLUSTERS = 20
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Reads `/slipway plan|apply|status|cancel [cluster …]` from a comment. A command stands on a line of its own, from the
 * first column; what is quoted (`>`), indented, or inside a fenced block or an HTML comment is talk about commands.
 */
export function readCommands(comment: string): readonly Command[] {
  const commands: Command[] = []
  let fence: string | undefined
  let hidden = false
  for (const line of comment.split(/\r\n|\r|\n/)) {
    const mark = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line)
    if (fence !== undefined) {
      if (mark?.[1]?.startsWith(fence) === true && mark[2]?.trim() === '') fence = undefined
      continue
    }
    if (hidden) {
      hidden = !line.includes('-->')
      continue
    }
    if (mark?.[1] !== undefined) {
      fence = mark[1]
      continue
    }
    if (line.lastIndexOf('<!--') > line.lastIndexOf('-->')) hidden = true
    const command = readCommand(line)
    if (command !== undefined && commands.length < MAX_COMMANDS) commands.push(command)
  }
  return commands
}

function readCommand(line: string): Command | undefined {
  const match = /^\/slipway(?:[ \t]+(.*))?$/.exec(line.trimEnd())
  if (match === null) return undefined
  const [word = '', ...clusters] = (match[1] ?? '').split(/[ \t]+/)
  const kind = COMMANDS.find((name) => name === word)
  const wrong = clusters.find((name) => !NAME.test(name))
  if (kind === undefined || wrong !== undefined || clusters.length > MAX_CLUSTERS)
    return { kind: 'unknown', word: kind === undefined ? word : (wrong ?? kind) }
  return { kind, clusters: [...new Set(clusters)] }
}
