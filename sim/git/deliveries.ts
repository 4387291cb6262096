import type { SimClock } from '../clock.ts'
import type { FaultPlan } from '../faults.ts'
import type { ForgeFault } from '../forge.ts'

/** Both forges call a delivery failed after 10 s. */
const ANSWER_WITHIN_MS = 10_000
/** How late a delayed webhook is, in the simulator's own time. */
const WEBHOOK_DELAY_MS = 5_000
/** A webhook held back for reordering goes out alone when none follows. */
const REORDER_HOLD_MS = 1_000
/** Deliveries kept for listing and redelivery; GitHub keeps three days of them. */
const KEPT_DELIVERIES = 1_000

export interface Webhook {
  readonly url: string
  readonly event: string
  readonly action: string | undefined
  readonly guid: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Of the forge's own objects, for its listing of deliveries. */
  readonly repositoryId?: number
  readonly installationId?: number
  readonly hookId?: number
}

export interface Delivery extends Webhook {
  readonly id: number
  readonly redelivery: boolean
  readonly deliveredAt: string
  /** 0: no answer. */
  readonly status: number
  readonly durationMs: number
  readonly responseHeaders: Readonly<Record<string, string>>
  readonly responseBody: string
}

/** Sends webhooks one after another, in the order of their causes unless a fault says otherwise, and remembers them. */
export class Deliveries {
  readonly #clock: SimClock
  readonly #faults: FaultPlan<ForgeFault>
  readonly #delivered: Delivery[] = []
  #preparing: Promise<void> = Promise.resolve()
  #queue: Promise<void> = Promise.resolve()
  readonly #late = new Set<Promise<void>>()
  #held: Webhook | undefined
  #lastId = 0
  #closed = false

  constructor(clock: SimClock, faults: FaultPlan<ForgeFault>) {
    this.#clock = clock
    this.#faults = faults
  }

  /** Sends what `make` describes, after everything that was prepared before; nothing when it gives nothing. */
  prepare(make: () => Promise<Webhook | undefined>): void {
    this.#preparing = this.#preparing.then(async () => {
      if (this.#closed) return
      const webhook = await make()
      if (webhook !== undefined) this.send(webhook)
    })
  }

  send(webhook: Webhook): void {
    const call = `${webhook.event} ${webhook.action ?? ''}`
    if (this.#faults.strikes('dropWebhook', call)) return
    if (this.#faults.strikes('delayWebhook', call)) {
      return this.#later(WEBHOOK_DELAY_MS, () => this.#enqueue(webhook))
    }
    if (this.#held === undefined && this.#faults.strikes('reorderWebhook', call)) {
      this.#held = webhook
      return this.#later(REORDER_HOLD_MS, () => this.#release(webhook))
    }
    this.#enqueue(webhook)
    if (this.#faults.strikes('duplicateWebhook', call)) this.#enqueue(webhook)
    if (this.#held !== undefined) this.#release(this.#held)
  }

  /** Sends a delivery again, with the same guid. */
  redeliver(id: number): boolean {
    const found = this.#delivered.find((delivery) => delivery.id === id)
    if (found === undefined) return false
    this.#enqueue(found, true)
    return true
  }

  /** Oldest first. */
  get all(): readonly Delivery[] {
    return this.#delivered
  }

  async settled(): Promise<void> {
    for (;;) {
      const preparing = this.#preparing
      await preparing
      const queue = this.#queue
      await Promise.all([queue, ...this.#late])
      if (preparing === this.#preparing && queue === this.#queue && this.#late.size === 0) return
    }
  }

  /** Sends nothing more, and waits for what is being prepared or sent. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#preparing
    await this.#queue
  }

  #later(ms: number, act: () => void): void {
    const waiting: Promise<void> = this.#clock.sleep(ms).then(() => {
      this.#late.delete(waiting)
      act()
    })
    this.#late.add(waiting)
  }

  #release(webhook: Webhook): void {
    if (this.#held !== webhook) return
    this.#held = undefined
    this.#enqueue(webhook)
  }

  #enqueue(webhook: Webhook, redelivery = false): void {
    this.#queue = this.#queue.then(() => (this.#closed ? undefined : this.#deliver(webhook, redelivery)))
  }

  async #deliver(webhook: Webhook, redelivery: boolean): Promise<void> {
    const deliveredAt = new Date(this.#clock.now()).toISOString()
    const started = performance.now()
    const answer = await post(webhook)
    this.#lastId += 1
    const durationMs = Math.round(performance.now() - started)
    this.#delivered.push({ ...webhook, ...answer, id: this.#lastId, redelivery, deliveredAt, durationMs })
    if (this.#delivered.length > KEPT_DELIVERIES) this.#delivered.shift()
  }
}

async function post({
  url,
  headers,
  body,
}: Webhook): Promise<Pick<Delivery, 'status' | 'responseHeaders' | 'responseBody'>> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
    const responseHeaders = Object.fromEntries(response.headers)
    return { status: response.status, responseHeaders, responseBody: await response.text() }
  } catch {
    return { status: 0, responseHeaders: {}, responseBody: '' }
  }
}
