/** A comment as lines that a terminal can show: folded parts as one line each, tables in columns, no HTML. */
export function commentLines(markdown: string): readonly string[] {
  const open = markdown
    .replaceAll(/<!--[\s\S]*?-->\n?/g, '')
    .replaceAll(/<details>\s*<summary>([\s\S]*?)<\/summary>[\s\S]*?<\/details>/g, '▸ $1')
    .replaceAll(/<br\s*\/?>/g, '')
    .replaceAll(/<sub>([\s\S]*?)<\/sub>/g, '$1')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/\\([|*_[\]<>`#~-])/g, '$1')
    .replaceAll(/^#+\s+(.*)$/gm, (_, title: string) => `**${title.replaceAll('`', '')}**`)
  const lines: string[] = []
  let table: string[][] = []
  const flush = (): void => {
    if (table.length > 0) lines.push(...columns(table))
    table = []
  }
  for (const line of open.split('\n')) {
    if (/^\|[\s:|-]+\|$/.test(line)) continue
    if (line.startsWith('|')) {
      table.push(
        line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim()),
      )
      continue
    }
    flush()
    if (line.trim() === '' && (lines.length === 0 || lines.at(-1) === '')) continue
    lines.push(line)
  }
  flush()
  while (lines.at(-1) === '') lines.pop()
  return lines
}

/** A table without its heading: the columns that name things as wide as they are, the longest one last. */
function columns([, ...rows]: readonly (readonly string[])[]): readonly string[] {
  const [names = 0, impacts = 0] = [0, 2].map((i) => Math.max(0, ...rows.map((row) => shown(row[i] ?? '').length)))
  const padded = (cell: string, width: number): string => cell + ' '.repeat(width - shown(cell).length)
  return rows.map(([name = '', change = '', impact = '']) =>
    `${padded(name, names)}  ${padded(impact, impacts)}  ${change}`.trimEnd(),
  )
}

/** A cell as the screen shows it, without the marks that become colours. */
function shown(cell: string): string {
  return cell.replaceAll(/[`]|\*\*/g, '')
}
