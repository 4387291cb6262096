import { Problem, type ProblemFields } from '../core/problem.ts'
import { visible } from '../core/report/escape.ts'
import { redact } from '../secrets/redact.ts'

/** What went wrong, as a person reads it: what, where, and what to do. */
export function problemText(problem: ProblemFields): string {
  return [
    `✖ ${visible(problem.what)} (${problem.code})`,
    ...(problem.where === undefined ? [] : [`  at ${visible(problem.where)}`]),
    ...(problem.remedy === undefined ? [] : [`  → ${visible(problem.remedy)}`]),
    '',
  ].join('\n')
}

/** Any error as a Problem; what is none is our own defect, and its stack is shown with `--debug` only. */
export function asProblem(error: unknown): ProblemFields {
  if (error instanceof Problem) {
    const fields = error.toJSON()
    return {
      ...fields,
      what: redact(fields.what),
      ...(fields.remedy === undefined ? {} : { remedy: redact(fields.remedy) }),
    }
  }
  return {
    code: 'cli.unexpected',
    what: redact(error instanceof Error ? error.message : String(error)),
    remedy: 'This is a defect in slipway. Run it again with --debug and report what it shows.',
    retry: 'never',
  }
}

/** The stack of an error and of its causes, without secrets. */
export function stackText(error: unknown): string {
  const stacks: string[] = []
  let at = error
  while (at instanceof Error && stacks.length < MAX_CAUSES) {
    stacks.push(at.stack ?? at.message)
    at = at.cause
  }
  return `${redact(stacks.join('\ncaused by: '))}\n`
}

/** Causes that are followed; longer chains go in circles. */
const MAX_CAUSES = 5
