import { refusal, type Where } from './refusal.ts'
import { entry, mapping, sequence, type Entry, type Mapping, type Node } from './tree.ts'

/** dotenv and ini hold no nesting, so the metadata is written with its path in the key: `age__list_0__map_enc`. */
const STEP = /__(map|list)_/
/** The metadata needs six; more is an attempt to exhaust something. */
const MAX_STEPS = 16
/** Lists must be complete from 0, so a position beyond the number of keys cannot be right. */
const MAX_POSITION = 1_000

export function flatten(tree: Mapping): Entry[] {
  const flat: Entry[] = []
  const visit = (node: Node, key: string): void => {
    if (node.kind === 'mapping')
      for (const item of node.entries) {
        if (item.kind === 'entry') visit(item.value, key === '' ? item.key : `${key}__map_${item.key}`)
      }
    else if (node.kind === 'sequence') for (const [i, item] of node.items.entries()) visit(item, `${key}__list_${i}`)
    else flat.push(entry(key, node))
  }
  visit(tree, '')
  return flat
}

type Branch = Map<string | number, Branch | Node>

/** @throws Problem `sops.bad-metadata` */
export function unflatten(entries: readonly Entry[], where: Where): Mapping {
  const bad = (key: string): Error =>
    refusal(
      'bad-metadata',
      `the metadata key "${key.slice(0, 80)}" does not fit the others`,
      where,
      'Restore the file from Git.',
    )
  const root: Branch = new Map()
  for (const { key, value } of entries) {
    const steps = key.split(STEP)
    if (steps.length > 2 * MAX_STEPS) throw bad(key)
    let branch = root
    let name: string | number = steps[0] ?? ''
    for (let i = 1; i < steps.length; i += 2) {
      const next: Branch | Node = branch.get(name) ?? new Map<string | number, Branch | Node>()
      if (!(next instanceof Map)) throw bad(key)
      branch.set(name, next)
      branch = next
      const step = steps[i + 1] ?? ''
      if (steps[i] === 'list' && (!/^\d{1,4}$/.test(step) || Number(step) > MAX_POSITION)) throw bad(key)
      name = steps[i] === 'list' ? Number(step) : step
    }
    if (branch.has(name)) throw bad(key)
    branch.set(name, value)
  }
  const build = (branch: Branch | Node): Node => {
    if (!(branch instanceof Map)) return branch
    const names = [...branch.keys()]
    if (names.every((name) => typeof name === 'string'))
      return mapping([...branch].map(([name, value]) => entry(String(name), build(value))))
    if (names.some((name) => typeof name === 'string') || names.some((_, i) => !branch.has(i)))
      throw bad(String(names[0]))
    return sequence(names.map((_, i) => build(branch.get(i) ?? { kind: 'null' })))
  }
  const tree = build(root)
  if (tree.kind !== 'mapping') throw bad('')
  return tree
}
