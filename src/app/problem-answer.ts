import { Problem, type ProblemFields } from '../core/problem.ts'
import { redactValue } from '../secrets/redact.ts'

/** What somebody outside is told of an error: a problem without secrets, and nothing of what is a defect of ours. */
export function problemAnswer(error: unknown): ProblemFields {
  if (error instanceof Problem) return redactValue(error.toJSON()) as ProblemFields
  return { code: 'app.defect', what: 'the app met an error of its own; its log says more', retry: 'later' }
}
