import type { Context } from 'hono'

const DEFAULT_PER_PAGE = 20
const MAX_PER_PAGE = 100

function positive(context: Context, name: string, otherwise: number): number {
  const value = Number(context.req.query(name) ?? otherwise)
  return Number.isInteger(value) && value > 0 ? value : otherwise
}

function perPageOf(context: Context): number {
  return Math.min(positive(context, 'per_page', DEFAULT_PER_PAGE), MAX_PER_PAGE)
}

function link(context: Context, changes: Readonly<Record<string, string>>, rel: string): string {
  const url = new URL(context.req.url)
  for (const [name, value] of Object.entries(changes)) url.searchParams.set(name, value)
  return `<${url.href}>; rel="${rel}"`
}

/** The part of a list that `page` and `per_page` ask for, with GitLab's headers about the rest. */
export function pageOf<Item>(context: Context, items: readonly Item[]): readonly Item[] {
  const perPage = perPageOf(context)
  const page = positive(context, 'page', 1)
  const last = Math.max(1, Math.ceil(items.length / perPage))
  const to = (number: number, rel: string) => link(context, { page: `${number}`, per_page: `${perPage}` }, rel)
  const links = [
    ...(page > 1 ? [to(page - 1, 'prev')] : []),
    ...(page < last ? [to(page + 1, 'next')] : []),
    to(1, 'first'),
    to(last, 'last'),
  ]
  context.header('link', links.join(', '))
  context.header('x-page', `${page}`)
  context.header('x-per-page', `${perPage}`)
  context.header('x-total', `${items.length}`)
  context.header('x-total-pages', `${last}`)
  context.header('x-next-page', page < last ? `${page + 1}` : '')
  context.header('x-prev-page', page > 1 ? `${page - 1}` : '')
  return items.slice((page - 1) * perPage, page * perPage)
}

/** Keyset pages tell the next by the last item's key and never a total. */
export function keysetOf<Item>(
  context: Context,
  items: readonly Item[],
  keyOf: (item: Item) => string,
): readonly Item[] {
  const perPage = perPageOf(context)
  const token = context.req.query('page_token')
  const start = token === undefined ? 0 : items.findIndex((item) => keyOf(item) === token) + 1
  const part = items.slice(start, start + perPage)
  const last = part.at(-1)
  if (last !== undefined && start + perPage < items.length) {
    context.header('link', link(context, { page_token: keyOf(last), per_page: `${perPage}` }, 'next'))
  }
  return part
}
