import type { FileProblem, ProblemFields } from '../problem.ts'
import { inlineCode, plainText } from './escape.ts'
import { fit } from './fit.ts'
import { count } from './plan-summary.ts'

/** Most problems shown with their remedies in one comment; a file with more has one cause or is no cluster file. */
const MAX_SHOWN = 50

/** Everything that is wrong, with its place and what to do, as Markdown list items. */
export function problemList(problems: readonly (ProblemFields | FileProblem)[]): string {
  const shown = problems.slice(0, MAX_SHOWN).map((problem) => {
    const place = placeOf(problem)
    const where = place === undefined ? '' : `${inlineCode(place)}: `
    const remedy = problem.remedy === undefined ? '' : `<br>→ ${plainText(problem.remedy)}`
    return `- ${where}${plainText(problem.what)} (${inlineCode(problem.code)})${remedy}`
  })
  const more = problems.length - shown.length
  return [...shown, ...(more > 0 ? [`- … and ${count(more, 'more problem')}`] : [])].join('\n')
}

/** Summary of a check, or a comment of its own: all problems of a spec at once. */
export function reportProblems(input: {
  readonly problems: readonly (ProblemFields | FileProblem)[]
  readonly limit: number
}): string {
  const { problems, limit } = input
  if (problems.length === 0) return 'No problems.'
  return fit(
    [
      () => `${count(problems.length, 'problem')}. Nothing was changed.\n\n${problemList(problems)}\n`,
      () =>
        `${count(problems.length, 'problem')}. Nothing was changed.\n\n${problemList(problems).replaceAll('\n- ', '\n\n- ')}\n`,
    ],
    limit,
  )
}

/** `clusters/home/cluster.yaml:14:22`, or wherever else a person has to look. */
export function placeOf(problem: ProblemFields | FileProblem): string | undefined {
  return 'file' in problem ? `${problem.file}:${problem.line}:${problem.column}` : problem.where
}
