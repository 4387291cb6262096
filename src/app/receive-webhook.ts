import type { Forge, ForgeName, WebhookRequest } from '../seams/forge.ts'
import { after, type App } from './app.ts'
import { type DeliveryDocument, type InboxDocument, keys } from './documents.ts'
import { processDelivery } from './process-delivery.ts'

/** How long the request that received a webhook is left to process it before the sweep takes over. */
export const HANDLING_MS = 60_000

export type Received =
  | { readonly outcome: 'refused'; readonly why: string }
  | { readonly outcome: 'ignored' }
  | { readonly outcome: 'duplicate' }
  | { readonly outcome: 'recorded' }

/**
 * Checks who sent a webhook, writes down what it hints at exactly once, and leaves the work for after the answer.
 * Nothing but the hint is kept of the payload.
 */
export async function receiveWebhook(app: App, name: ForgeName, request: WebhookRequest): Promise<Received> {
  const forge: Forge | undefined = app.forges.get(name)
  if (!forge) return { outcome: 'refused', why: `this app is not connected to ${name}` }
  const received = await forge.receive(request)
  if (received.kind === 'refused') return { outcome: 'refused', why: received.why }
  if (received.kind === 'ignored' || received.event.kind === 'ping') return { outcome: 'ignored' }

  const { event } = received
  const now = await app.store.now()
  if (await app.store.get<DeliveryDocument>(keys.delivery(name, event.delivery))) return { outcome: 'duplicate' }
  const document: InboxDocument = { event, receivedAt: now, attempts: 0, notBefore: after(now, HANDLING_MS) }
  const key = keys.inbox(name, event.delivery)
  if ((await app.store.put(key, document, undefined)) === undefined) return { outcome: 'duplicate' }
  app.defer('process delivery', () => processDelivery(app, key))
  return { outcome: 'recorded' }
}
