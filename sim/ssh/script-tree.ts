import type { ScriptNode, TransformPlugin } from 'just-bash'
import { serialize } from 'just-bash'
import { REDIRECT_MARK } from './disk.ts'

const OUTPUT = new Set(['>', '>>', '>|', '&>', '&>>'])

interface Node {
  type: string
  [field: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'

/** Calls `visit` for a syntax tree's every node, inner ones first; what it returns takes the node's place. */
function rewrite(value: unknown, visit: (node: Node) => Node): unknown {
  if (Array.isArray(value)) return value.map((each) => rewrite(each, visit))
  if (!isNode(value)) {
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, rewrite(each, visit)]))
  }
  const inner = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, rewrite(each, visit)]))
  return visit(inner as Node)
}

const literal = (text: string): Node => ({ type: 'Word', parts: [{ type: 'Literal', value: text }] })

const command = (name: string, args: readonly Node[]): Node => ({
  type: 'SimpleCommand',
  assignments: [],
  name: literal(name),
  args: [...args],
  redirections: [],
})

const statement = (inner: Node): Node => ({
  type: 'Statement',
  operators: [],
  background: false,
  pipelines: [{ type: 'Pipeline', negated: false, commands: [inner] }],
})

/** The word `$?`. */
const status: Node = { type: 'Word', parts: [{ type: 'ParameterExpansion', parameter: '?', operation: null }] }

/** Text of a word that is one literal. */
function wordOf(value: unknown): string | undefined {
  if (!isNode(value) || !Array.isArray(value['parts']) || value['parts'].length !== 1) return undefined
  const part: unknown = value['parts'][0]
  return isNode(part) && part.type === 'Literal' ? String(part['value']) : undefined
}

function mentions(value: unknown, name: string): boolean {
  let found = false
  rewrite(value, (node) => {
    if (node.type === 'SimpleCommand' && wordOf(node['name']) === name) found = true
    return node
  })
  return found
}

/**
 * Makes up for what the shell lacks: targets of output redirections are marked (see {@link REDIRECT_MARK}), `exec` of
 * a program ends the script, `command -v` and `type` find what is on the disk only, a `umask` set in a subshell ends with it, and what is put into the background runs in a
 * shell of its own.
 */
function complete(tree: unknown): unknown {
  return rewrite(tree, (node) => {
    if (node.type === 'Redirection' && OUTPUT.has(String(node['operator'])) && isNode(node['target'])) {
      const { target } = node
      if (target.type !== 'Word' || wordOf(target)?.startsWith('/dev/') === true) return node
      const parts = [{ type: 'Literal', value: REDIRECT_MARK }, ...(target['parts'] as Node[])]
      return { ...node, target: { ...target, parts } }
    }
    if (node.type === 'SimpleCommand' && wordOf(node['name']) === 'exec' && (node['args'] as Node[]).length > 0) {
      const [program, ...args] = node['args'] as [Node, ...Node[]]
      return {
        type: 'Group',
        redirections: [],
        body: [statement({ ...node, name: program, args }), statement(command('exit', [status]))],
      }
    }
    if (node.type === 'SimpleCommand' && /^(command|type)$/.test(wordOf(node['name']) ?? '')) {
      const args = node['args'] as Node[]
      const looksUp = wordOf(node['name']) === 'type' || /^-[vV]$/.test(wordOf(args[0]) ?? '')
      return looksUp ? { ...node, name: literal('locate-command') } : node
    }
    if (node.type === 'Statement' && node['background'] === true) {
      const front = { ...node, background: false } as unknown as ScriptNode['statements'][number]
      const text = serialize({ type: 'Script', statements: [front] })
      const quoted: Node = { type: 'Word', parts: [{ type: 'SingleQuoted', value: text }] }
      return statement(command('disown', [literal('--start'), quoted]))
    }
    if (node.type === 'Subshell' && mentions(node['body'], 'umask')) {
      return {
        type: 'Group',
        redirections: [],
        body: [
          statement(command('umask', [literal('--push')])),
          statement(node),
          statement(command('umask', [literal('--pop'), status])),
        ],
      }
    }
    return node
  })
}

export const completeScript: TransformPlugin = {
  name: 'complete-script',
  transform: (context) => ({ ast: complete(context.ast) as typeof context.ast }),
}
