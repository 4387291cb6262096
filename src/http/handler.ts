import { Hono } from 'hono'
import type { App } from '../app/app.ts'
import { listAll } from '../app/change-document.ts'
import type { ClusterDocument, JobDocument } from '../app/documents.ts'
import { keys } from '../app/documents.ts'
import { receiveWebhook } from '../app/receive-webhook.ts'
import { Problem } from '../core/problem.ts'
import type { ForgeName } from '../seams/forge.ts'
import { type Counters, counters } from './counters.ts'
import { rawBody } from './raw-body.ts'
import { RUN_PAGE_CSS, runPage } from './run-page.ts'
import { runnerApi } from './runner-api.ts'

/** GitHub sends nothing larger than 25 MB; GitLab's limits lie below that. */
const WEBHOOK_BYTES = 26_000_000

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000',
}

/** Everything that the app answers, as one runtime-neutral `fetch` handler. */
export function buildHandler(app: App): Hono {
  const counter = counters()
  const handler = new Hono()

  handler.use('*', async (c, next) => {
    await next()
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value)
  })
  handler.post('/webhooks/:forge', async (c) => {
    const forge = c.req.param('forge')
    if (forge !== 'github' && forge !== 'gitlab') return c.notFound()
    return webhook(app, counter, forge, c.req.raw)
  })
  handler.use('/runner/v1/*', async (c, next) => {
    await next()
    counter.count('slipway_runner_requests_total', String(c.res.status))
  })
  handler.route('/runner/v1', runnerApi(app))
  handler.get('/runs.css', (c) => c.body(RUN_PAGE_CSS, 200, { 'content-type': 'text/css; charset=utf-8' }))
  handler.get('/runs/:id', async (c) => {
    const page = await runPage(app, c.req.param('id'))
    if (!page) return c.text('There is no such run, or it is too long ago.\n', 404)
    return c.html(page, 200, { 'cache-control': 'no-store' })
  })
  handler.get('/healthz', async (c) => {
    try {
      return c.json({ ok: true, time: await app.store.now() }, 200, { 'cache-control': 'no-store' })
    } catch (error) {
      app.log.error('asking the store for the time', { error })
      return c.json({ ok: false }, 503)
    }
  })
  handler.get('/metrics', async (c) => c.text(await metrics(app, counter)))
  handler.notFound((c) => c.text('Not found.\n', 404))
  handler.onError((error, c) => {
    if (error instanceof Problem && error.code === 'http.too-large') return c.text(`${error.what}\n`, 413)
    app.log.error('answering a request', { path: c.req.path, error })
    return c.text('The app met an error of its own.\n', 500)
  })
  return handler
}

async function webhook(app: App, counter: Counters, forge: ForgeName, request: Request): Promise<Response> {
  const body = await rawBody(request, WEBHOOK_BYTES)
  const received = await receiveWebhook(app, forge, { headers: Object.fromEntries(request.headers), body })
  counter.count('slipway_webhooks_total', received.outcome)
  if (received.outcome === 'refused') {
    app.log.warn('webhook refused', { forge, why: received.why })
    return new Response('refused\n', { status: 401 })
  }
  // Forges switch hooks off that answer with errors, so what is ignored is accepted too.
  return new Response(`${received.outcome}\n`, { status: 202 })
}

async function metrics(app: App, counter: Counters): Promise<string> {
  const states = new Map<string, number>()
  for (const { value } of await listAll<ClusterDocument>(app.store, 'cluster/')) {
    const job = value.job === undefined ? undefined : await app.store.get<JobDocument>(keys.job(value.job))
    const state = job?.value.job.state ?? 'none'
    states.set(state, (states.get(state) ?? 0) + 1)
  }
  const waiting = await app.store.list('inbox/')
  return [
    ...counter.lines(),
    '# HELP slipway_clusters Clusters, by the state of their newest job.',
    '# TYPE slipway_clusters gauge',
    ...[...states].map(([state, count]) => `slipway_clusters{state="${state}"} ${count}`),
    '# HELP slipway_inbox Webhooks that are not processed yet.',
    '# TYPE slipway_inbox gauge',
    `slipway_inbox ${waiting.length}`,
    '',
  ].join('\n')
}
