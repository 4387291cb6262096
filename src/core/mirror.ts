/**
 * Where an upstream URL is really fetched from: the longest prefix of `prefixes` that matches is replaced, otherwise
 * the URL stays. A prefix matches whole path segments only, so `https://dl.example/a` says nothing about `…/ab`.
 */
export function mirrored(url: string, prefixes: Readonly<Record<string, string>>): string {
  const match = Object.keys(prefixes)
    .filter((prefix) => covers(prefix, url))
    .sort((a, b) => b.length - a.length)[0]
  if (match === undefined) return url
  const replacement = prefixes[match] ?? match
  const rest = url.slice(match.length)
  return rest === '' || rest.startsWith('/') || replacement.endsWith('/')
    ? `${replacement.endsWith('/') && rest.startsWith('/') ? replacement.slice(0, -1) : replacement}${rest}`
    : `${replacement}/${rest}`
}

function covers(prefix: string, url: string): boolean {
  if (!url.startsWith(prefix)) return false
  return prefix.endsWith('/') || url.length === prefix.length || url[prefix.length] === '/'
}
