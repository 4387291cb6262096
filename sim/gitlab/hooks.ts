import { Hono, type Context } from 'hono'
import * as z from 'zod'
import type { Repository } from '../git/hosted-repository.ts'
import { hex } from '../random.ts'
import { bodyOf, Flag } from './body.ts'
import { projectFor } from './caller.ts'
import { pageOf } from './page.ts'
import { notFound } from './refusal.ts'
import { instant, type GitlabWorld, type Hook } from './world.ts'

const ChangedHook = z.object({
  url: z.url().optional(),
  token: z.string().optional(),
  signing_token: z.string().optional(),
  push_events: Flag.optional(),
  merge_requests_events: Flag.optional(),
  note_events: Flag.optional(),
  enable_ssl_verification: Flag.optional(),
})
const NewHook = ChangedHook.extend({ url: z.url() })

function hookJson(hook: Hook) {
  return {
    id: hook.id,
    url: hook.url,
    name: null,
    created_at: instant(hook.createdAt),
    push_events: hook.events.push,
    tag_push_events: false,
    merge_requests_events: hook.events.mergeRequests,
    note_events: hook.events.notes,
    confidential_note_events: false,
    issues_events: false,
    confidential_issues_events: false,
    pipeline_events: false,
    wiki_page_events: false,
    deployment_events: false,
    job_events: false,
    releases_events: false,
    repository_update_events: false,
    resource_access_token_events: false,
    enable_ssl_verification: true,
    alert_status: 'executable',
    disabled_until: null,
    url_variables: [],
    push_events_branch_filter: null,
    branch_filter_strategy: 'wildcard',
    project_id: hook.repository?.id ?? null,
    token_present: hook.token !== '',
    signing_token_present: hook.signingToken !== undefined,
  }
}

/** @param repository - `undefined` for the hook of a group. */
export function makeHook(
  world: Pick<GitlabWorld, 'hosting'>,
  repository: Repository | undefined,
  options: Pick<Hook, 'url' | 'token' | 'signingToken' | 'events'>,
): Hook {
  const { random } = world.hosting
  const uuid = `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-9${hex(random, 3)}-${hex(random, 12)}`
  return { id: world.hosting.nextId(), uuid, repository, createdAt: world.hosting.now(), ...options }
}

export function hookRoutes(world: GitlabWorld): Hono {
  const hookOf = (context: Context, repository: Repository): Hook => {
    const found = world.hooks.find(({ id }) => `${id}` === context.req.param('hook'))
    if (found?.repository !== repository) throw notFound('Hook')
    return found
  }
  return new Hono()
    .get('/projects/:id/hooks', (context) => {
      const repository = projectFor(context, world, 'maintain')
      const hooks = world.hooks.filter((hook) => hook.repository === repository)
      return context.json(pageOf(context, hooks).map(hookJson))
    })
    .post('/projects/:id/hooks', async (context) => {
      const repository = projectFor(context, world, 'maintain')
      const request = await bodyOf(context, NewHook)
      const hook = makeHook(world, repository, {
        url: request.url,
        token: request.token ?? '',
        signingToken: request.signing_token,
        events: {
          push: request.push_events ?? true,
          mergeRequests: request.merge_requests_events ?? false,
          notes: request.note_events ?? false,
        },
      })
      world.hooks.push(hook)
      return context.json(hookJson(hook), 201)
    })
    .get('/projects/:id/hooks/:hook', (context) =>
      context.json(hookJson(hookOf(context, projectFor(context, world, 'maintain')))),
    )
    .put('/projects/:id/hooks/:hook', async (context) => {
      const hook = hookOf(context, projectFor(context, world, 'maintain'))
      const request = await bodyOf(context, ChangedHook)
      hook.url = request.url ?? hook.url
      hook.token = request.token ?? hook.token
      hook.signingToken = request.signing_token ?? hook.signingToken
      hook.events = {
        push: request.push_events ?? hook.events.push,
        mergeRequests: request.merge_requests_events ?? hook.events.mergeRequests,
        notes: request.note_events ?? hook.events.notes,
      }
      return context.json(hookJson(hook))
    })
    .delete('/projects/:id/hooks/:hook', (context) => {
      const hook = hookOf(context, projectFor(context, world, 'maintain'))
      world.hooks.splice(world.hooks.indexOf(hook), 1)
      return context.body(null, 204)
    })
    .get('/projects/:id/hooks/:hook/events', (context) => {
      const hook = hookOf(context, projectFor(context, world, 'maintain'))
      const sent = world.deliveries.all.filter(({ hookId }) => hookId === hook.id).reverse()
      return context.json(
        pageOf(context, sent).map((delivery) => ({
          id: delivery.id,
          url: delivery.url,
          trigger: delivery.event.toLowerCase().replace(' hook', '_hooks').replaceAll(' ', '_'),
          request_headers: delivery.headers,
          request_data: JSON.parse(delivery.body) as unknown,
          response_headers: delivery.responseHeaders,
          response_body: delivery.responseBody,
          execution_duration: delivery.durationMs / 1000,
          response_status: delivery.status === 0 ? 'internal error' : `${delivery.status}`,
        })),
      )
    })
    .post('/projects/:id/hooks/:hook/events/:event/resend', async (context) => {
      const hook = hookOf(context, projectFor(context, world, 'maintain'))
      const id = Number(context.req.param('event'))
      if (world.deliveries.all.find((delivery) => delivery.id === id)?.hookId !== hook.id) throw notFound('Hook Log')
      world.deliveries.redeliver(id)
      await world.deliveries.settled()
      return context.json({ response_status: world.deliveries.all.at(-1)?.status ?? 0 }, 201)
    })
}
