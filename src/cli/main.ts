import { CommanderError } from 'commander'
import { buildProgram } from './command.ts'
import { commands } from './commands/index.ts'
import { asProblem, problemText, stackText } from './failure.ts'
import { coloured } from './colour.ts'
import { processTerminal, type Terminal } from './terminal.ts'

/**
 * Runs one command.
 * @param argv - Arguments after the program's own name.
 * @returns the exit status: 0 done, 1 a problem or a wrong command line; others as a command's own page says.
 */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal()): Promise<number> {
  let status = 0
  const program = buildProgram(commands, terminal, (_command, given) => {
    status = given
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return status
  } catch (error) {
    // Commander has printed its own words: help, or what is wrong with the command line.
    if (error instanceof CommanderError) return error.exitCode
    const { json, debug, color } = program.opts<{ json?: boolean; debug?: boolean; color: boolean }>()
    const problem = asProblem(error)
    if (json === true) terminal.out(`${JSON.stringify({ problems: [problem] })}\n`)
    else {
      const text = problemText(problem)
      terminal.err(color && terminal.colour ? coloured(text) : text)
    }
    if (debug === true) terminal.err(stackText(error))
    return 1
  }
}
