/** Whether doing the same again can help: at once, after a while or a change outside, or not at all. */
export type Retry = 'now' | 'later' | 'never'

export interface ProblemFields {
  /** Dotted and stable, `<area>.<reason>`: `spec.address-taken`, `proxmox.task-timeout`. */
  readonly code: string
  /** What was being done or what is wrong, quoting the values concerned; never a secret. */
  readonly what: string
  /** `file:line:column`, a machine, a URL path: wherever a person has to look. */
  readonly where?: string
  /** What to do about it, as an instruction. */
  readonly remedy?: string
  readonly retry: Retry
}

/** An error that a reader can act on. Anything else that is thrown is a defect and keeps its stack. */
export class Problem extends Error implements ProblemFields {
  override readonly name = 'Problem'
  readonly code: string
  readonly what: string
  readonly where?: string
  readonly remedy?: string
  readonly retry: Retry

  constructor(fields: ProblemFields, options?: { readonly cause?: unknown }) {
    super(`${fields.what} (${fields.code})`, options)
    this.code = fields.code
    this.what = fields.what
    if (fields.where !== undefined) this.where = fields.where
    if (fields.remedy !== undefined) this.remedy = fields.remedy
    this.retry = fields.retry
  }

  /** The fields alone, for storing and sending. */
  toJSON(): ProblemFields {
    return {
      code: this.code,
      what: this.what,
      ...(this.where === undefined ? {} : { where: this.where }),
      ...(this.remedy === undefined ? {} : { remedy: this.remedy }),
      retry: this.retry,
    }
  }
}

/** A problem with a place in a file, as a check annotation or an editor shows it. Lines and columns start at 1. */
export interface FileProblem extends ProblemFields {
  readonly file: string
  readonly line: number
  readonly column: number
}
