import { checkDepth } from './limits.ts'
import type { Where } from './refusal.ts'
import type { Selector } from './selection.ts'
import {
  comment,
  entry,
  mapping,
  sequence,
  type Comment,
  type Entry,
  type Leaf,
  type Mapping,
  type Node,
} from './tree.ts'

/** A leaf with its place: mapping keys from the root, and whether it is encrypted there. */
export interface Place {
  readonly leaf: Leaf
  readonly path: readonly string[]
  readonly sealed: boolean
  readonly inSequence: boolean
}

/** Every leaf but `null`, in document order. */
export function places(documents: readonly Mapping[], select: Selector, where: Where): Place[] {
  const found: Place[] = []
  // `keys`: a key on the way matched. `above`: a comment over an ancestor matched.
  const visit = (
    node: Node,
    path: readonly string[],
    keys: boolean,
    above: boolean,
    inSequence: boolean,
    depth: number,
  ): void => {
    checkDepth(depth, where)
    if (node.kind === 'null') return
    if (node.kind === 'mapping') return inOrder(node.entries, path, keys, above, false, depth)
    if (node.kind === 'sequence') return inOrder(node.items, path, keys, above, true, depth)
    const matched = select.about === 'comments' ? above : keys
    found.push({ leaf: node, path, sealed: matched === select.sealsMatches, inSequence })
  }
  const inOrder = (
    items: readonly (Node | Entry)[],
    path: readonly string[],
    keys: boolean,
    above: boolean,
    inSequence: boolean,
    depth: number,
  ): void => {
    // Comments count from the last sibling that is none.
    let here = false
    for (const item of items) {
      if (item.kind === 'comment') {
        const matches = select.about === 'comments' && select.matches(item.text)
        // A comment that asks for encryption stays readable itself; one that asks for clear text counts at once.
        visit(item, path, keys, above || here || (matches && !select.sealsMatches), inSequence, depth + 1)
        here ||= matches
        continue
      }
      if (item.kind === 'entry') {
        const matches = keys || (select.about === 'keys' && select.matches(item.key))
        visit(item.value, [...path, item.key], matches, above || here, false, depth + 1)
      } else visit(item, path, keys, above || here, inSequence, depth + 1)
      here = false
    }
  }
  for (const document of documents) visit(document, [], false, false, false, 0)
  return found
}

/** The same documents with other leaves: `leaves[i]` takes the place of the i-th leaf that {@link places} lists. */
export function withLeaves(documents: readonly Mapping[], leaves: readonly Leaf[]): Mapping[] {
  let next = 0
  const take = (): Leaf => {
    const leaf = leaves[next++]
    if (leaf === undefined) throw new RangeError('fewer leaves than places')
    return leaf
  }
  const rebuilt = (node: Node): Node => {
    if (node.kind === 'null') return node
    if (node.kind === 'mapping') return mapping(node.entries.map(rebuiltEntry))
    if (node.kind === 'sequence') return sequence(node.items.map(rebuilt))
    return take()
  }
  const rebuiltEntry = (item: Entry | Comment): Entry | Comment => {
    if (item.kind === 'entry') return entry(item.key, rebuilt(item.value))
    const leaf = take()
    if (leaf.kind === 'comment') return leaf
    if (leaf.kind === 'str') return comment(leaf.value, item.inline)
    throw new TypeError('a comment was replaced by a value')
  }
  return documents.map((document) => mapping(document.entries.map(rebuiltEntry)))
}
