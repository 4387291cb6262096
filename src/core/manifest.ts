import { Document, isScalar, parseDocument, visit } from 'yaml'
import type { KubeObject } from './component.ts'

/**
 * Prints objects as YAML documents: the only place that writes YAML. Members keep the order in which they were given
 * (`apiVersion`, `kind`, `metadata` first by habit of their authors), long lines are not folded, and a string is quoted
 * whenever YAML 1.1 or 1.2 would read it as something else (`no`, `22:30`, `0o17`, `1e3`).
 */
export function manifest(
  objects: readonly KubeObject[] | readonly Readonly<Record<string, unknown>>[],
  heading?: string,
): string {
  const comment =
    heading === undefined
      ? ''
      : `${heading
          .split('\n')
          .map((line) => `# ${line}`.trimEnd())
          .join('\n')}\n`
  return comment + objects.map(yamlDocument).join('---\n')
}

/** One value as a YAML document with its final newline. */
export function yamlDocument(value: unknown): string {
  const doc = new Document(value, { aliasDuplicateObjects: false })
  visit(doc, {
    Scalar(_key, node) {
      if (typeof node.value === 'string' && misread(node.value)) node.type = 'QUOTE_DOUBLE'
    },
  })
  return doc.toString({ lineWidth: 0, minContentWidth: 0 })
}

const readings = new Map<string, boolean>()
/** Values repeat a lot within a bundle; the bound keeps a long-lived process from growing. */
const MAX_READINGS = 10_000

/** Whether a plain scalar of this text would be read as something else by YAML 1.1 or 1.2. */
function misread(text: string): boolean {
  if (text.includes('\n')) return false
  const known = readings.get(text)
  if (known !== undefined) return known
  const wrong = (['1.1', '1.2'] as const).some((version) => {
    const doc = parseDocument(text, { version, logLevel: 'silent' })
    return doc.errors.length > 0 || !isScalar(doc.contents) || doc.contents.value !== text
  })
  if (readings.size >= MAX_READINGS) readings.clear()
  readings.set(text, wrong)
  return wrong
}
