import { estimate, roughly } from '../estimate.ts'
import type { FileProblem, ProblemFields } from '../problem.ts'
import { visible } from './escape.ts'
import { clusterChange, count, headline, impactWord, type PlanView } from './plan-summary.ts'

/** A plan as plain text, one line per machine, columns aligned; with every step when `steps` is asked for. */
export function terminalPlan(plan: PlanView, options: { readonly steps: boolean }): string {
  const lines = [`${plan.cluster}: ${headline(plan)}`]
  for (const { name, detail } of plan.destroys) lines.push('', `  ! destroys ${name}: ${visible(detail)}`)
  if (plan.steps.length === 0) return `${lines.join('\n')}\n`
  lines.push('')
  lines.push(
    ...columns(
      plan.machines.map(({ machine, change, impact, summary }) => [
        SIGNS[change],
        machine,
        visible(summary),
        change === 'untouched' ? '' : impactWord(change, impact),
      ]),
    ),
  )
  const shared = clusterChange(plan)
  if (shared !== undefined) lines.push(`     the cluster: ${visible(shared.summary)}`)
  const { seconds, widest } = estimate(plan)
  if (options.steps) {
    lines.push('')
    lines.push(
      ...columns(
        plan.steps.map(({ id, summary }, at) => {
          const slash = id.indexOf('/')
          return [
            String(at + 1).padStart(String(plan.steps.length).length),
            id.slice(0, slash),
            id.slice(slash + 1),
            visible(summary),
          ]
        }),
      ),
    )
  }
  lines.push(
    '',
    `${count(plan.steps.length, 'step')}, up to ${widest} at once, ${roughly(seconds)}. Plan ${plan.digest.slice(0, 8)}.`,
  )
  return `${lines.join('\n')}\n`
}

const SIGNS = { joins: '+', changes: '~', leaves: '-', untouched: ' ' } as const

/** All problems, by file, each with its place, code and remedy. */
export function terminalProblems(problems: readonly (ProblemFields | FileProblem)[]): string {
  if (problems.length === 0) return 'No problems.\n'
  const byFile = new Map<string, (ProblemFields | FileProblem)[]>()
  for (const problem of problems) {
    const file = 'file' in problem ? problem.file : ''
    byFile.set(file, [...(byFile.get(file) ?? []), problem])
  }
  const lines: string[] = []
  for (const [file, list] of byFile) {
    if (file !== '') lines.push(`✖ ${visible(file)}`)
    const places = list.map((problem) =>
      'file' in problem ? `${problem.line}:${problem.column}` : (problem.where ?? ''),
    )
    const width = Math.max(...places.map((place) => place.length))
    const what = Math.max(...list.map((problem) => problem.what.length))
    list.forEach((problem, at) => {
      const indent = file === '' ? '✖ ' : '  '
      const place = places[at] ?? ''
      lines.push(
        `${indent}${visible(place).padEnd(width)}  ${visible(problem.what).padEnd(Math.min(what, WHAT_WIDTH))}  ${problem.code}`,
      )
      if (problem.remedy !== undefined) lines.push(`  ${' '.repeat(width)}  → ${visible(problem.remedy)}`)
    })
  }
  lines.push(`${count(problems.length, 'problem')}. Nothing was changed.`)
  return `${lines.join('\n')}\n`
}

/** Codes stand in a column of their own as long as the texts before them are no longer than this. */
const WHAT_WIDTH = 80

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd())
}
