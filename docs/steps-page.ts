import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
/** In the order in which a new cluster meets them; the text of each file's first comment introduces it. */
const FAMILIES = ['proxmox', 'host', 'kubeadm', 'gitops'] as const
const TITLES = { proxmox: 'Proxmox', host: 'Hosts', kubeadm: 'kubeadm', gitops: 'Network and GitOps' } as const

/** The reference of step kinds, from the doc comments and types of `src/core/steps`. */
export function stepsPages(): ReadonlyMap<string, string> {
  const present = readdirSync(join(ROOT, 'src/core/steps')).map((file) => file.replace(/\.ts$/, ''))
  const unknown = present.filter((family) => !FAMILIES.some((known) => known === family))
  if (unknown.length > 0) throw new Error(`docs/steps-page.ts does not know the families ${unknown.join(', ')}`)
  const texts = FAMILIES.map(
    (family) => [family, readFileSync(join(ROOT, `src/core/steps/${family}.ts`), 'utf8')] as const,
  )
  const page = [
    '# Steps',
    '<!-- Made by `npm run docs` from src/core/steps; edit the comments there. -->',
    "Everything that a runner can be asked to do. A step is data: it can be signed, shown and compared; how it is done is in the runner. Its action first checks (absent, ours, done, or somebody else's), then applies, then checks again, so that a step that is done is never done twice. The id of a step is `kind/target`, such as `join-node/w-2`, and stays the same from plan to plan.",
    'A runner performs a kind only when `allow.steps` of its [`runner.yaml`](runner.md) lists it, or says `all`.',
    ...texts.flatMap(([family, text]) => [`## ${TITLES[family]}`, ...familyPart(family, text)]),
    '## Values inside',
    ...texts.flatMap(([, text]) => valuesOf(text)),
  ]
  return new Map([['docs/reference/steps.md', `${page.join('\n\n')}\n`]])
}

function familyPart(family: string, text: string): readonly string[] {
  const [start, name] = [
    text.search(/^export interface \w+Steps \{$/m),
    /^export interface (\w+Steps) \{$/m.exec(text)?.[1],
  ]
  if (start < 0 || name === undefined) throw new Error(`src/core/steps/${family}.ts has no interface of steps`)
  const body = text.slice(start)
  const kinds = [...body.matchAll(/^(?: {2}(\/\*\*[\s\S]*?\*\/)\n)? {2}'([a-z-]+)': \{(.*\}$|[\s\S]*?^ {2}\}$)/gm)]
  return [
    comment(before(text, start)),
    ...kinds.flatMap(([, words = '', kind = '', fields = '']) => {
      const action = `runner/actions/${family}/${kind}.ts`
      const performed = existsSync(join(ROOT, action)) ? ` [How it is performed](../../${action}).` : ''
      if (words === '') throw new Error(`the step ${kind} has no comment`)
      return [`### \`${kind}\``, `${comment(words)}${performed}`, code(fields.replace(/\}$/, ''))]
    }),
  ]
}

function valuesOf(text: string): readonly string[] {
  return [...text.matchAll(/^export interface (\w+) \{\n([\s\S]*?)^\}$/gm)]
    .filter(([, name = '']) => !name.endsWith('Steps'))
    .flatMap(({ index, 1: name = '', 2: fields = '' }) => [
      `### ${name}`,
      ...[comment(before(text, index))].filter((words) => words !== ''),
      code(fields),
    ])
}

/** The doc comment that ends right before a place, or nothing. */
function before(text: string, index: number): string {
  return /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n$/.exec(text.slice(0, index))?.[0] ?? ''
}

function comment(text: string): string {
  return text
    .replaceAll(/^\s*\/\*\*|\*\/\s*$/g, '')
    .replaceAll(/^\s*\* ?/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function code(fields: string): string {
  const lines = fields
    .replaceAll('readonly ', '')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const indent = Math.min(...lines.map((line) => line.length - line.trimStart().length))
  return ['```ts', ...lines.map((line) => line.slice(indent).trimEnd()), '```'].join('\n')
}
