/**
 * The fullest of several versions of a text that fits; they come fullest first. When even the shortest is too long, its
 * leading paragraphs that fit are kept and a note says that the rest is missing.
 */
export function fit(versions: readonly (() => string)[], limit: number): string {
  let shortest = ''
  for (const version of versions) {
    shortest = version()
    if (shortest.length <= limit) return shortest
  }
  return wholeParagraphs(shortest, limit)
}

const REST_IS_MISSING = '\n\n*The rest did not fit into this comment.*\n'

/** Cuts between paragraphs only, and never inside a fence, so that what is left is still well formed. */
function wholeParagraphs(text: string, limit: number): string {
  const budget = limit - REST_IS_MISSING.length
  let kept = ''
  let pending = ''
  let fence: string | undefined
  for (const paragraph of text.split('\n\n')) {
    pending += pending === '' && kept === '' ? paragraph : `\n\n${paragraph}`
    for (const line of paragraph.split('\n')) {
      const mark = /^(`{3,})/.exec(line)?.[1]
      if (fence === undefined) fence = mark
      else if (line.trim() === fence) fence = undefined
    }
    if (fence !== undefined) continue
    if (kept.length + pending.length > budget) break
    kept += pending
    pending = ''
  }
  return kept.length === 0 ? REST_IS_MISSING.trim().slice(0, limit) : kept + REST_IS_MISSING
}

/** A folded part of a comment. The summary is HTML that we wrote. */
export function folded(summary: string, body: string): string {
  return `<details><summary>${summary}</summary>\n\n${body}\n\n</details>`
}
