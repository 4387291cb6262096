/**
 * Text of others made harmless for Markdown comments on GitHub and GitLab: names from repositories, messages of hosts
 * and controllers. What comes out reads the same and does nothing: no markup, no mention, no reference, no hidden or
 * turned-around characters. Only what stands between two backticks is shown as code, in which nothing else is alive.
 */
export function plainText(text: string, limit = MAX_TEXT): string {
  const line = shorten(visible(text).replace(/\s+/gu, ' ').trim(), limit)
  const parts = line.split(/`([^`]+)`/)
  return parts.map((part, at) => (at % 2 === 1 ? inlineCode(part) : inert(part, at === 0))).join('')
}

function inert(text: string, atStart: boolean): string {
  const escaped = text
    .replace(/[&<>]/g, (character) => HTML[character] ?? character)
    .replace(/[\\`*_[\]|~$]/g, '\\$&')
    .replace(/&amp;(?=\d)|[@#!%](?=[\w"])/g, `$&${JOINER}`)
    .replace(/:\/\//g, `:${JOINER}//`)
    .replace(/\bwww\./gi, (www) => `${www.slice(0, -1)}${JOINER}.`)
  // Line starts mean lists, headings and, on GitLab, quick actions such as `/close`.
  return atStart ? escaped.replace(/^[-+=#/]/, '\\$&').replace(/^(\d+)([.)])(?=\s|$)/, '$1\\$2') : escaped
}

/** Unseen and without width: keeps `@name`, `#12` and addresses from becoming mentions, references and links. */
const JOINER = '\u2060'

/** Longest piece of foreign text that a comment shows in running text, in characters. */
const MAX_TEXT = 300

/**
 * Text of others as inline code, whatever backticks it holds. In code nothing is markup, mention or reference.
 */
export function inlineCode(text: string, limit = MAX_TEXT): string {
  const content = shorten(visible(text).replace(/\s+/gu, ' ').trim(), limit).replace(/\|/g, '\u2502')
  if (content === '') return '` `'
  const fence = '`'.repeat(longestRun(content, '`') + 1)
  return content.startsWith('`') || content.endsWith('`')
    ? `${fence} ${content} ${fence}`
    : `${fence}${content}${fence}`
}

/** A fenced block that its content cannot end. */
export function fenced(content: string, language: string): string {
  const fence = '`'.repeat(Math.max(3, longestRun(content, '`') + 1))
  const text = visible(content)
  return `${fence}${language}\n${text}${text.endsWith('\n') || text === '' ? '' : '\n'}${fence}`
}

/** Control, bidirectional, zero-width and other characters that are not seen become a visible code: `\u{202e}`. */
export function visible(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/[^\P{C}\n\t]|[\u2028\u2029\u115f\u1160\u3164\uffa0]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  })
}

/** At most `limit` characters, never half a surrogate pair. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text
  const cut = text.slice(0, limit - 1)
  return `${/[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut}…`
}

const HTML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

function longestRun(text: string, character: string): number {
  let longest = 0
  let run = 0
  for (const each of text) {
    run = each === character ? run + 1 : 0
    longest = Math.max(longest, run)
  }
  return longest
}
