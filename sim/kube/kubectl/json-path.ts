import { isRecord } from '../object.ts'

/**
 * The part of kubectl's JSONPath that scripts use: `{.a.b}`, `[0]`, `[*]`, `[?(@.type=="Ready")]`, `{range …}{end}`,
 * escaped dots, literal text and `{"\n"}`.
 */
export function jsonPath(template: string, root: unknown): string {
  const pieces = template.match(/\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}|[^{]+/g) ?? []
  return render(pieces, 0, pieces.length, root)
}

function render(pieces: readonly string[], from: number, to: number, context: unknown): string {
  let out = ''
  for (let index = from; index < to; index++) {
    const piece = pieces[index] ?? ''
    if (!piece.startsWith('{')) {
      out += piece
      continue
    }
    const inside = piece.slice(1, -1).trim()
    if (inside.startsWith('range ')) {
      const end = matchingEnd(pieces, index, to)
      for (const item of evaluate(inside.slice('range '.length).trim(), context))
        out += render(pieces, index + 1, end, item)
      index = end
    } else if (inside.startsWith('"')) out += JSON.parse(inside) as string
    else if (inside !== 'end') out += evaluate(inside, context).map(shown).join(' ')
  }
  return out
}

function matchingEnd(pieces: readonly string[], from: number, to: number): number {
  let depth = 0
  for (let index = from; index < to; index++) {
    const inside = (pieces[index] ?? '').replace(/^\{\s*/, '')
    if (inside.startsWith('range ')) depth += 1
    if (inside.startsWith('end') && --depth === 0) return index
  }
  return to
}

/** All values at a path such as `.items[*].metadata.name`. */
export function evaluate(path: string, root: unknown): readonly unknown[] {
  const steps = path.replace(/^[$@]/, '').match(/\.(?:\\.|[^.[\\])+|\[[^\]]*\]/g) ?? []
  let found: readonly unknown[] = [root]
  for (const step of steps) {
    found = found.flatMap((value): readonly unknown[] => {
      if (step.startsWith('.')) {
        const key = step.slice(1).replaceAll('\\', '')
        if (key === '*') return isRecord(value) ? Object.values(value) : Array.isArray(value) ? value : []
        return isRecord(value) && value[key] !== undefined ? [value[key]] : []
      }
      const inside = step.slice(1, -1)
      const quoted = /^['"](.*)['"]$/.exec(inside)
      if (quoted !== null)
        return isRecord(value) && value[quoted[1] ?? ''] !== undefined ? [value[quoted[1] ?? '']] : []
      if (!Array.isArray(value)) return []
      if (inside === '*') return value
      const filter = /^\?\(\s*@(\.[^=!\s]+)\s*(==|!=)\s*["']([^"']*)["']\s*\)$/.exec(inside)
      if (filter !== null)
        return value.filter((item) => {
          const [first] = evaluate(filter[1] ?? '', item)
          return (shown(first) === filter[3]) === (filter[2] === '==')
        })
      const index = Number(inside)
      const item: unknown = value.at(index)
      return Number.isInteger(index) && item !== undefined ? [item] : []
    })
  }
  return found
}

const shown = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)
