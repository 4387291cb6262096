/** A word as the shell reads it back unchanged, whatever is in it but NUL. */
export function shellQuoted(text: string): string {
  if (text.includes('\0')) throw new TypeError('a shell word cannot hold NUL')
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * The text for `bash -s`: parameters as shell variables, then the script in a function with empty standard input. Bash
 * reads the whole function before it runs a line of it, so no command can eat the rest of the script.
 */
export function scriptText(script: string, parameters: Readonly<Record<string, string>>): string {
  const variables = Object.entries(parameters).map(([name, value]) => {
    if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new TypeError(`"${name}" is no name for a script's parameter`)
    return `${name}=${shellQuoted(value)}`
  })
  return [...variables, 'slipway_main() {', script, '}', 'slipway_main </dev/null', 'exit $?', ''].join('\n')
}
