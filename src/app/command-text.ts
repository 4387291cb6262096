export type Command =
  | { readonly kind: 'plan' | 'apply' | 'status' | 'cancel'; readonly clusters: readonly string[] }
  | { readonly kind: 'unknown' }
export function readCommands(body: string): readonly Command[] {
  return body.split('\n').flatMap((line): readonly Command[] => {
    const words = line.trim().split(/\s+/)
    if (words[0] !== '/slipway') return []
    const kind = words[1]
    if (kind === 'plan' || kind === 'apply' || kind === 'status' || kind === 'cancel') {
      return [{ kind, clusters: words.slice(2) }]
    }
    return [{ kind: 'unknown' }]
  })
}
