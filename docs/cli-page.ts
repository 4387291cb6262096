import { type AnyCommand, GLOBAL_OPTIONS } from '../src/cli/command.ts'
import { commands } from '../src/cli/commands/index.ts'

/** The page of the command line, made from the commands themselves. */
export function cliPages(): ReadonlyMap<string, string> {
  return new Map([['docs/reference/cli.md', page()]])
}

function page(): string {
  return `${[
    '# `slipway`',
    '<!-- Made by `npm run docs` from src/cli/commands; edit the descriptions there. -->',
    'In a checkout, `npx slipway …` runs it. Commands read the repository that the current folder is in.',
    '## Every command',
    optionTable(GLOBAL_OPTIONS),
    [
      'Exit status: 0 done; 1 a problem, or a wrong command line; others as each command says below.',
      'Problems say what is wrong, where, and what to do (`✖ … at … → …`), and carry a code that stays the same.',
      'With `--json`, standard output holds JSON only; a problem that ends a command is `{ problems: Problem[] }`.',
      '`Problem` is `{ code, what, where?, remedy?, retry }`, `FileProblem` has `file`, `line` and `column` as well.',
    ].join('\n'),
    ...commands.map(section),
  ].join('\n\n')}\n`
}

function section(command: AnyCommand): string {
  const { name, arguments: given, argumentText, options = [], summary, details, output, exits } = command
  return [
    `## ${name}`,
    `\`slipway ${name}${given === undefined ? '' : ` ${given}`}\`: ${summary}.`,
    ...(details === undefined ? [] : [details]),
    ...(given === undefined ? [] : [`\`${given}\`: ${argumentText}.`]),
    ...(options.length === 0 ? [] : [optionTable(options)]),
    `With \`--json\`:${jsonText(output)}`,
    Object.entries(exits)
      .map(([status, when]) => `- exit ${status}: ${when}`)
      .join('\n'),
  ].join('\n\n')
}

/** Shapes stand in a block; sentences as they are. */
function jsonText(output: string): string {
  return /^\{[^`]*\}$/.test(output) ? `\n\n\`\`\`ts\n${output}\n\`\`\`` : ` ${output}.`
}

function optionTable(options: AnyCommand['options']): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  return [
    '| option | |',
    '|---|---|',
    ...(options ?? []).map(([flags, text]) => `| \`${flags}\` | ${cell(text)} |`),
  ].join('\n')
}
