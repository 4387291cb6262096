/**
 * What looks like a secret, whoever wrote it: tokens of the forges, private keys, age identities, Proxmox tokens,
 * bootstrap tokens, bearer headers, passwords in URLs. Every pattern is linear in the length of the text.
 */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [
    /-----BEGIN ([A-Z0-9 ]{0,40})PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g,
    '[private key]',
  ],
  [/AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Za-z]+/gi, '[age identity]'],
  [/\bgh[opusr]_[A-Za-z0-9._-]{20,}/g, '[token]'],
  [/\bgithub_pat_[A-Za-z0-9_]{20,}/g, '[token]'],
  [/\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[A-Za-z0-9_.-]{10,}/g, '[token]'],
  [/PVEAPIToken=[^\s"',]+/g, 'PVEAPIToken=[token]'],
  [/PVEAuthCookie=[^\s;"',]+/g, 'PVEAuthCookie=[token]'],
  [/\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:bearer|basic|token)\s+)[^\s"',]+/gi, '$1[token]'],
  [/\b(bearer\s+)[A-Za-z0-9._~+/-]{16,}=*/gi, '$1[token]'],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, '[token]'],
  [/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g, '[bootstrap token]'],
  [/\bK10[0-9a-f]{64}::[^\s"']+/g, '[k3s token]'],
  [/\bslw_[A-Za-z0-9_-]{20,}/g, '[enrolment token]'],
  [/((?:--certificate-key|certificateKey["']?)[\s:="']+)[0-9a-f]{64}/g, '$1[certificate key]'],
  [/(\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/:@"']{0,200}:[^\s/@"']{1,400}@/gi, '$1[credentials]@'],
  [/(client-key-data["']?\s*:\s*["']?)[A-Za-z0-9+/=]{40,}/g, '$1[private key]'],
]

/** A text with everything that looks like a secret replaced, for logs, comments, errors and kept output. */
export function redact(text: string): string {
  let out = text
  for (const [pattern, replacement] of PATTERNS) out = out.replace(pattern, replacement)
  return out
}

/** {@link redact} with further exact values known to be secret (8 characters or longer; shorter ones would eat words). */
export function redactor(secrets: Iterable<string>): (text: string) => string {
  const exact = [...secrets].filter((secret) => secret.length >= 8)
  return (text) => redact(exact.reduce((out, secret) => out.replaceAll(secret, '[secret]'), text))
}

/** Redacts every string of a value that is going to be logged or stored. Depth is bounded: logs are not trees. */
export function redactValue(value: unknown, clean: (text: string) => string = redact, depth = 8): unknown {
  if (typeof value === 'string') return clean(value)
  if (value === null || typeof value !== 'object') return value
  if (depth === 0) return '[deep]'
  if (value instanceof Error) return clean(value.stack ?? value.message)
  if (Array.isArray(value)) return value.map((item) => redactValue(item, clean, depth - 1))
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, redactValue(member, clean, depth - 1)]))
}
