import { html } from 'hono/html'
import type { App } from '../app/app.ts'
import { listAll } from '../app/change-document.ts'
import { type JobDocument, keys, type LogDocument } from '../app/documents.ts'
import type { Job } from '../core/job.ts'

/** Ids of jobs are 120 random bits or more: who has the link was shown it on the pull. */
const ID = /^[A-Za-z0-9_-]{16,100}$/

/** The page of one run: state, steps and kept output. Works without script; everything shown is escaped. */
export async function runPage(app: App, id: string) {
  const stored = ID.test(id) ? (await app.store.get<JobDocument>(keys.job(id)))?.value : undefined
  if (!stored) return undefined
  const { job, plan, log } = stored
  const output = (await listAll<LogDocument>(app.store, keys.logs(id))).map(({ value }) => value.text).join('')
  const { order } = job
  const title = `${order.cluster}: ${job.state}`
  const running = job.state === 'running' || job.state === 'queued'
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        ${running ? html`<meta http-equiv="refresh" content="5" />` : ''}
        <title>${title} · Slipway</title>
        <link rel="stylesheet" href="/runs.css" />
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          <p>${sentence(job)}</p>
          <dl>
            <dt>commit</dt>
            <dd><code>${order.commit}</code></dd>
            <dt>plan</dt>
            <dd><code>${order.planDigest.slice(0, 8)}</code></dd>
            ${
              order.pull === undefined
                ? ''
                : html`<dt>pull</dt>
                    <dd>#${order.pull}</dd>`
            }
            <dt>since</dt>
            <dd><time datetime="${stored.since}">${stored.since}</time></dd>
          </dl>
          ${plan === undefined ? '' : steps(job, plan)}
          <h2>Output</h2>
          ${output === '' ? html`<p>None was kept.</p>` : html`<pre>${output}</pre>`}
          ${log.dropped > 0 ? html`<p>${log.dropped} further characters were not kept.</p>` : ''}
        </main>
      </body>
    </html>`
}

function steps(job: Job, plan: NonNullable<JobDocument['plan']>) {
  const progress = 'progress' in job ? job.progress : undefined
  const done = new Map(progress?.done.map((step) => [step.step, step]))
  const running = new Map(progress?.running.map((step) => [step.step, step]))
  const failed = new Map(progress?.failed.map((step) => [step.step, step]))
  const state = (id: string): string => {
    const end = done.get(id)
    if (end) return end.outcome === 'already' ? '✔ was so already' : `✔ done in ${(end.tookMs / 1000).toFixed(1)} s`
    if (failed.has(id)) return `✖ ${failed.get(id)?.problem.what}`
    if (running.has(id)) return `◐ ${running.get(id)?.text ?? 'going on'}`
    return 'to do'
  }
  return html`<h2>${plan.steps.length} steps</h2>
    <table>
      <thead>
        <tr>
          <th>step</th>
          <th>what</th>
          <th>state</th>
        </tr>
      </thead>
      <tbody>
        ${plan.steps.map(
          (step) =>
            html`<tr>
              <td><code>${step.id}</code></td>
              <td>${step.summary}</td>
              <td>${state(step.id)}</td>
            </tr>`,
        )}
      </tbody>
    </table>`
}

function sentence(job: Job): string {
  switch (job.state) {
    case 'waiting':
      return `Waits: ${job.why.what}. ${job.why.remedy ?? ''}`
    case 'queued':
      return 'Queued: waits for a runner.'
    case 'running':
      return `Runs on ${job.runner}: ${job.progress.done.length} of ${job.progress.total} steps done.`
    case 'stopped':
      return `Stopped: ${job.problem.what}. ${job.problem.remedy ?? ''}`
    case 'succeeded':
      return `Done. ${job.notes.join(' ')}`
    case 'cancelled':
      return `Cancelled by ${job.by}.`
    case 'superseded':
      return 'Overtaken by a newer merge.'
    default:
      return job satisfies never
  }
}

export const RUN_PAGE_CSS = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem }
dd { margin: 0 }
table { border-collapse: collapse }
th, td { text-align: left; padding: 0.2rem 1rem 0.2rem 0; vertical-align: top }
pre { overflow-x: auto; padding: 1rem; border: 1px solid }
`
