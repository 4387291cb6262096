import type { SimClock } from '../clock.ts'
import { failed } from './answer.ts'

/** pveproxy keeps this many in its index of finished tasks; older ones are dropped here. */
const TASKS_KEPT = 1_000
const FIRST_PID = 0x1_00_00

export interface Task {
  readonly upid: string
  readonly node: string
  readonly type: string
  /** The VM id or volume; empty when the task has none. */
  readonly id: string
  readonly user: string
  readonly pid: number
  readonly pstart: number
  /** Seconds since the epoch. */
  readonly starttime: number
  endtime?: number
  /** `OK`, `WARNINGS: n` or the error's text; absent while the task runs. */
  exitstatus?: string
  readonly log: string[]
}

export type TaskWork = (log: (line: string) => void) => Promise<void>

export interface TaskFaults {
  /** The task stays in `running` and does nothing. */
  stalls(task: Task): boolean
  /** The task ends with an error before it does anything. */
  fails(task: Task): boolean
}

/** Long operations: each runs on its own, and is asked about by its UPID. */
export class Tasks {
  readonly #clock: SimClock
  readonly #faults: TaskFaults
  readonly #tasks = new Map<string, Task>()
  readonly #running = new Map<string, Promise<void>>()
  #pid = FIRST_PID

  constructor(clock: SimClock, faults: TaskFaults) {
    this.#clock = clock
    this.#faults = faults
  }

  /** @returns the UPID, `UPID:node:pid:pstart:starttime:type:id:user:` */
  start(node: string, type: string, id: string, user: string, work: TaskWork): string {
    const pid = ++this.#pid
    const now = this.#clock.now()
    const pstart = Math.floor(now / 10) % 0xff_ff_ff_ff
    const starttime = Math.floor(now / 1_000)
    const hexa = (n: number) => n.toString(16).toUpperCase().padStart(8, '0')
    const upid = `UPID:${node}:${hexa(pid)}:${hexa(pstart)}:${hexa(starttime)}:${type}:${id}:${user}:`
    const task: Task = { upid, node, type, id, user, pid, pstart, starttime, log: [] }
    this.#tasks.set(upid, task)
    const oldest = this.#tasks.keys().next().value
    if (this.#tasks.size > TASKS_KEPT && oldest !== undefined) this.#tasks.delete(oldest)
    if (!this.#faults.stalls(task)) this.#running.set(upid, this.#run(task, work))
    return upid
  }

  async #run(task: Task, work: TaskWork): Promise<void> {
    let outcome = 'OK'
    try {
      if (this.#faults.fails(task)) throw new Error('command failed: got signal 9 (simulated)')
      await work((line) => task.log.push(line))
    } catch (error) {
      outcome = error instanceof Error ? error.message : String(error)
    }
    this.#end(task, outcome)
  }

  #end(task: Task, outcome: string): void {
    if (task.exitstatus !== undefined) return
    task.exitstatus = outcome
    task.log.push(outcome === 'OK' ? 'TASK OK' : `TASK ERROR: ${outcome}`)
    task.endtime = Math.floor(this.#clock.now() / 1_000)
    this.#running.delete(task.upid)
  }

  get(upid: string): Task {
    const task = this.#tasks.get(upid)
    if (task === undefined) throw failed(`no such task`)
    return task
  }

  /** What `DELETE /nodes/{node}/tasks/{upid}` does; work that is under way cannot be called back here and goes on. */
  stop(upid: string): void {
    this.#end(this.get(upid), 'unexpected status')
  }

  /** Newest first. */
  all(): readonly Task[] {
    return [...this.#tasks.values()].toReversed()
  }

  /** Resolves when no task is under way; stalled ones do not count. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values())
  }
}
