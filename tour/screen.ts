/** Where the story is told: a terminal with colours and a live last line, or plain lines. */
export interface Screen {
  chapter(letter: string, title: string): void
  /** What somebody does, in the story. */
  act(text: string): void
  /** What is seen, e.g. a comment; each line behind a bar. */
  quote(title: string, lines: readonly string[]): void
  say(text: string): void
  done(text: string): void
  /** Replaces the last lines where that is possible; plain terminals get only what is new. */
  live(lines: readonly string[]): void
  settle(): void
}

const WIDTH_LIMIT = 110

export function openScreen(out: NodeJS.WriteStream, plain: boolean): Screen {
  const fancy = out.isTTY && !plain && process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb'
  const paint = (code: string, text: string): string => (fancy ? `\u001b[${code}m${text}\u001b[0m` : text)
  const width = Math.min(out.columns ?? WIDTH_LIMIT, WIDTH_LIMIT)
  let liveLines: readonly string[] = []
  let told = new Set<string>()
  const write = (line = ''): void => void out.write(`${line}\n`)
  const clear = (): void => {
    if (fancy && liveLines.length > 0) out.write(`\u001b[${liveLines.length}A\u001b[0J`)
    liveLines = []
  }
  return {
    chapter(letter, title) {
      clear()
      told = new Set()
      write()
      write(paint('1;36', `${letter}  ${title}`))
      write(paint('36', '─'.repeat(Math.min(width, title.length + 3))))
    },
    act(text) {
      clear()
      for (const [i, line] of wrap(text, width - 2).entries()) write(`${i === 0 ? paint('35', '▸') : ' '} ${line}`)
    },
    quote(title, lines) {
      clear()
      write(paint('2', `  ┌ ${title}`))
      for (const line of lines.flatMap((text) => wrap(text, width - 4)))
        write(`${paint('2', '  │')} ${style(line, paint)}`)
      write(paint('2', '  └'))
    },
    say(text) {
      clear()
      for (const line of wrap(text, width - 2)) write(`  ${line}`)
    },
    done(text) {
      clear()
      write(`${paint('32', '✔')} ${text}`)
    },
    live(lines) {
      if (!fancy) {
        for (const line of lines) {
          const key = line.replace(/\d+ of \d+ steps.*/, '')
          if (!told.has(key)) write(`  ${line}`)
          told.add(key)
        }
        return
      }
      clear()
      liveLines = lines.map((line) => (line.length > width - 2 ? `${line.slice(0, width - 3)}…` : line))
      for (const line of liveLines) write(`  ${style(line, paint)}`)
    },
    settle() {
      liveLines = []
    },
  }
}

function style(line: string, paint: (code: string, text: string) => string): string {
  return line
    .replaceAll(/\*\*(.+?)\*\*/g, (_, text: string) => paint('1', text))
    .replaceAll(/`([^`]+)`/g, (_, text: string) => paint('33', text))
    .replace(/^(✔)/, paint('32', '✔'))
    .replace(/^(✖)/, paint('31', '✖'))
    .replace(/^(◐)/, paint('36', '◐'))
}

function wrap(text: string, width: number): readonly string[] {
  if (text.length <= width || text.startsWith('|')) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
