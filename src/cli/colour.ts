/** Terminal colours by number, as SGR sequences take them. */
const [RED, GREEN, YELLOW, CYAN, DIM] = [31, 32, 33, 36, 2] as const

/** Signs that lines begin with, and their colour. The words beside a sign say the same. */
const SIGNS: readonly (readonly [RegExp, number])[] = [
  [/^(\s*)(✖)/, RED],
  [/^(\s*)(!)(?= )/, RED],
  [/^(\s*)(✔)/, GREEN],
  [/^(\s*)(\+)(?= )/, GREEN],
  [/^(\s*)(~)(?= )/, YELLOW],
  [/^(\s*)(◐)/, YELLOW],
  [/^(\s*)(-)(?= )/, RED],
  [/^(\s*)(→)/, CYAN],
  [/^(\s*)(·)/, DIM],
]

/** Colours the sign that each line begins with; a colour carries nothing that the words do not say. */
export function coloured(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      for (const [pattern, colour] of SIGNS)
        if (pattern.test(line))
          return line.replace(
            pattern,
            (_all, space: string, sign: string) => `${space}\u001B[${colour}m${sign}\u001B[0m`,
          )
      return line
    })
    .join('\n')
}
