import { Hono } from 'hono'
import * as z from 'zod'
import type { Delivery } from '../git/deliveries.ts'
import { bodyOf } from './body.ts'
import { requireApp } from './caller.ts'
import { pageOf } from './page.ts'
import { notFound } from './refusal.ts'
import type { GithubWorld } from './world.ts'

const Config = z.object({
  url: z.string().optional(),
  secret: z.string().optional(),
  content_type: z.string().optional(),
})

function itemJson({ url: _url, ...delivery }: Delivery) {
  return {
    id: delivery.id,
    guid: delivery.guid,
    delivered_at: delivery.deliveredAt,
    redelivery: delivery.redelivery,
    duration: delivery.durationMs / 1000,
    status: statusWord(delivery.status),
    status_code: delivery.status,
    event: delivery.event,
    action: delivery.action ?? null,
    installation_id: delivery.installationId ?? null,
    repository_id: delivery.repositoryId ?? null,
    throttled_at: null,
  }
}

function statusWord(status: number): string {
  if (status === 0) return 'failed to connect to host'
  return status < 300 ? 'OK' : `Invalid HTTP Response: ${status}`
}

/** The app's own webhook: its settings, what was delivered, and sending it again. */
export function hookRoutes(world: GithubWorld): Hono {
  const configJson = () => ({
    content_type: 'json',
    insecure_ssl: '0',
    secret: '********',
    url: world.app.webhook.url,
  })
  return new Hono()
    .get('/app/hook/config', (context) => {
      requireApp(context, world)
      return context.json(configJson())
    })
    .patch('/app/hook/config', async (context) => {
      requireApp(context, world)
      const { url, secret } = await bodyOf(context, Config, 'Hook')
      world.app.webhook = { url: url ?? world.app.webhook.url, secret: secret ?? world.app.webhook.secret }
      return context.json(configJson())
    })
    .get('/app/hook/deliveries', (context) => {
      requireApp(context, world)
      return context.json(pageOf(context, [...world.deliveries.all].reverse()).map(itemJson))
    })
    .get('/app/hook/deliveries/:id', (context) => {
      requireApp(context, world)
      const delivery = world.deliveries.all.find(({ id }) => `${id}` === context.req.param('id'))
      if (delivery === undefined) throw notFound()
      return context.json({
        ...itemJson(delivery),
        url: delivery.url,
        request: { headers: delivery.headers, payload: JSON.parse(delivery.body) as unknown },
        response: { headers: delivery.responseHeaders, payload: delivery.responseBody },
      })
    })
    .post('/app/hook/deliveries/:id/attempts', (context) => {
      requireApp(context, world)
      if (!world.deliveries.redeliver(Number(context.req.param('id')))) throw notFound()
      return context.json({}, 202)
    })
}
