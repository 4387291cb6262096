import type { Context } from 'hono'

const DEFAULT_PER_PAGE = 30
const MAX_PER_PAGE = 100

/** The part of a list that `page` and `per_page` ask for; other parts are named by the `Link` header. */
export function pageOf<Item>(context: Context, items: readonly Item[]): readonly Item[] {
  const positive = (name: string, otherwise: number) => {
    const value = Number(context.req.query(name) ?? otherwise)
    return Number.isInteger(value) && value > 0 ? value : otherwise
  }
  const perPage = Math.min(positive('per_page', DEFAULT_PER_PAGE), MAX_PER_PAGE)
  const page = positive('page', 1)
  const last = Math.max(1, Math.ceil(items.length / perPage))
  const link = (number: number, rel: string) => {
    const url = new URL(context.req.url)
    url.searchParams.set('page', `${number}`)
    return `<${url.href}>; rel="${rel}"`
  }
  const links = [
    ...(page > 1 ? [link(page - 1, 'prev')] : []),
    ...(page < last ? [link(page + 1, 'next'), link(last, 'last')] : []),
    ...(page > 1 ? [link(1, 'first')] : []),
  ]
  if (links.length > 0) context.header('link', links.join(', '))
  return items.slice((page - 1) * perPage, page * perPage)
}
