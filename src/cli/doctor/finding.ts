import { asProblem } from '../failure.ts'

/** One thing that was looked at. */
export interface Finding {
  /** What it is about: `git`, `proxmox lab`, `host db-1`. */
  readonly about: string
  readonly state: 'fine' | 'warning' | 'problem' | 'not-looked-at'
  readonly what: string
  readonly remedy?: string
}

/** Findings of one look; whatever it throws is a finding too. */
export async function looking(about: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look()
  } catch (error) {
    const { what, remedy } = asProblem(error)
    return [{ about, state: 'problem', what, ...(remedy === undefined ? {} : { remedy }) }]
  }
}
