import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { Problem } from '../core/problem.ts'

export interface AppConfig {
  readonly github?: {
    readonly appId: string
    readonly privateKey: string
    readonly webhookSecrets: readonly string[]
    readonly apiUrl: string
    readonly knownHosts?: readonly string[]
  }
  readonly gitlab?: {
    readonly url: string
    readonly token: string
    readonly webhookSecrets: readonly string[]
    /** Of instances that sign their webhooks: `whsec_…`. */
    readonly signingTokens: readonly string[]
    readonly knownHosts?: readonly string[]
  }
  /** Ed25519, PKCS#8. */
  readonly signingKey: string
  readonly database: string
  readonly publicUrl: string
  /** Where the words of reports are explained. */
  readonly docsUrl?: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly tls?: { readonly certificate: string; readonly key: string }
}

/** What a GitLab webhook signing token starts with; anything else is a plain secret token. */
const SIGNING = 'whsec_'

const text = z.string().trim().min(1, 'is empty')
const webUrl = z.url({ protocol: /^https?$/, error: 'is not an http or https URL' })
const Listen = z.string().regex(/^(?:\[[0-9a-fA-F:.]+\]|[^:\s]*):\d{1,5}$/, 'is not host:port, e.g. 127.0.0.1:8080')

/** Shorter secrets can be guessed; both forges' pages suggest far longer ones. */
const WEBHOOK_SECRET_CHARACTERS = 16

const Secret = z.string().min(WEBHOOK_SECRET_CHARACTERS, `has fewer than ${WEBHOOK_SECRET_CHARACTERS} characters`)

const Environment = z.object({
  SLIPWAY_GITHUB_APP_ID: z.string().regex(/^\d+$/, 'is not a number').optional(),
  SLIPWAY_GITHUB_PRIVATE_KEY: text.optional(),
  SLIPWAY_GITHUB_WEBHOOK_SECRET: Secret.optional(),
  SLIPWAY_GITHUB_WEBHOOK_SECRET_PREVIOUS: Secret.optional(),
  SLIPWAY_GITHUB_API_URL: webUrl.default('https://api.github.com'),
  SLIPWAY_GITHUB_KNOWN_HOSTS: text.optional(),
  SLIPWAY_GITLAB_URL: webUrl.optional(),
  SLIPWAY_GITLAB_TOKEN: text.optional(),
  SLIPWAY_GITLAB_WEBHOOK_SECRET: Secret.optional(),
  SLIPWAY_GITLAB_WEBHOOK_SECRET_PREVIOUS: Secret.optional(),
  SLIPWAY_GITLAB_KNOWN_HOSTS: text.optional(),
  SLIPWAY_SIGNING_KEY: text,
  SLIPWAY_DATABASE: text,
  SLIPWAY_PUBLIC_URL: webUrl,
  SLIPWAY_DOCS_URL: webUrl.optional(),
  SLIPWAY_LISTEN: Listen.default('127.0.0.1:8080'),
  SLIPWAY_TLS_CERTIFICATE: text.optional(),
  SLIPWAY_TLS_KEY: text.optional(),
})

/** Settings that may also be given as the path of a file, under the same name with `_FILE`. */
const FROM_FILE = [
  'SLIPWAY_GITHUB_PRIVATE_KEY',
  'SLIPWAY_GITHUB_WEBHOOK_SECRET',
  'SLIPWAY_GITHUB_WEBHOOK_SECRET_PREVIOUS',
  'SLIPWAY_GITHUB_KNOWN_HOSTS',
  'SLIPWAY_GITLAB_TOKEN',
  'SLIPWAY_GITLAB_WEBHOOK_SECRET',
  'SLIPWAY_GITLAB_WEBHOOK_SECRET_PREVIOUS',
  'SLIPWAY_GITLAB_KNOWN_HOSTS',
  'SLIPWAY_SIGNING_KEY',
  'SLIPWAY_TLS_CERTIFICATE',
  'SLIPWAY_TLS_KEY',
] as const

/**
 * Reads the app's settings, once.
 * @throws Problem `app.settings` with everything that is missing or wrong; values are never quoted.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): AppConfig {
  const wrong: string[] = []
  const given: Record<string, string | undefined> = { ...environment }
  for (const name of FROM_FILE) {
    const path = environment[`${name}_FILE`]
    if (path === undefined) continue
    if (environment[name] !== undefined) wrong.push(`${name} and ${name}_FILE are both set: keep one`)
    try {
      given[name] = readFileSync(path, 'utf8').trimEnd()
    } catch (error) {
      wrong.push(
        `${name}_FILE: cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : ''})`,
      )
    }
  }
  // A variable that is set to nothing counts as not set, as systemd and Compose leave it.
  for (const [name, value] of Object.entries(given)) if (value === '') delete given[name]

  const parsed = Environment.safeParse(given)
  for (const issue of parsed.error?.issues ?? []) {
    const missing = issue.code === 'invalid_type'
    wrong.push(`${issue.path.join('.')}: ${missing ? 'is not set' : issue.message}`)
  }
  const need = (reason: string, ...names: readonly string[]): void => {
    for (const name of names) if (given[name] === undefined) wrong.push(`${name}: is not set, and ${reason}`)
  }
  const github = Object.keys(given).some((name) => /^SLIPWAY_GITHUB_(APP_ID|PRIVATE_KEY|WEBHOOK_SECRET)/.test(name))
  const gitlab = Object.keys(given).some((name) => /^SLIPWAY_GITLAB_(URL|TOKEN|WEBHOOK_SECRET)/.test(name))
  if (!github && !gitlab) wrong.push('neither SLIPWAY_GITHUB_APP_ID nor SLIPWAY_GITLAB_URL is set: connect one forge')
  if (github) {
    const reason = 'GitHub needs it'
    need(reason, 'SLIPWAY_GITHUB_APP_ID', 'SLIPWAY_GITHUB_PRIVATE_KEY', 'SLIPWAY_GITHUB_WEBHOOK_SECRET')
  }
  if (gitlab) {
    need('GitLab needs it', 'SLIPWAY_GITLAB_URL', 'SLIPWAY_GITLAB_TOKEN', 'SLIPWAY_GITLAB_WEBHOOK_SECRET')
  }
  if (given['SLIPWAY_TLS_CERTIFICATE'] !== undefined) need('the certificate needs it', 'SLIPWAY_TLS_KEY')
  if (given['SLIPWAY_TLS_KEY'] !== undefined) need('the key needs it', 'SLIPWAY_TLS_CERTIFICATE')
  if (wrong.length > 0 || !parsed.success) {
    throw new Problem({
      code: 'app.settings',
      what: `reading the app's settings:\n${wrong.map((line) => `  ${line}`).join('\n')}`,
      where: 'environment',
      remedy: 'Set them and start again; docs/how-to tells where each comes from.',
      retry: 'never',
    })
  }

  const env = parsed.data
  const gitlabSecrets = both(env.SLIPWAY_GITLAB_WEBHOOK_SECRET, env.SLIPWAY_GITLAB_WEBHOOK_SECRET_PREVIOUS)
  const [, host, port] = /^(.*):(\d+)$/.exec(env.SLIPWAY_LISTEN) ?? []
  return {
    ...(github && {
      github: {
        appId: env.SLIPWAY_GITHUB_APP_ID!,
        privateKey: env.SLIPWAY_GITHUB_PRIVATE_KEY!,
        webhookSecrets: both(env.SLIPWAY_GITHUB_WEBHOOK_SECRET, env.SLIPWAY_GITHUB_WEBHOOK_SECRET_PREVIOUS),
        apiUrl: withoutSlash(env.SLIPWAY_GITHUB_API_URL),
        ...knownHosts(env.SLIPWAY_GITHUB_KNOWN_HOSTS),
      },
    }),
    ...(gitlab && {
      gitlab: {
        url: withoutSlash(env.SLIPWAY_GITLAB_URL!),
        token: env.SLIPWAY_GITLAB_TOKEN!,
        webhookSecrets: gitlabSecrets.filter((secret) => !secret.startsWith(SIGNING)),
        signingTokens: gitlabSecrets.filter((secret) => secret.startsWith(SIGNING)),
        ...knownHosts(env.SLIPWAY_GITLAB_KNOWN_HOSTS),
      },
    }),
    signingKey: env.SLIPWAY_SIGNING_KEY,
    database: env.SLIPWAY_DATABASE,
    publicUrl: withoutSlash(env.SLIPWAY_PUBLIC_URL),
    ...(env.SLIPWAY_DOCS_URL !== undefined && { docsUrl: env.SLIPWAY_DOCS_URL }),
    listen: { host: (host ?? '').replace(/^\[|\]$/g, '') || '0.0.0.0', port: Number(port) },
    ...(env.SLIPWAY_TLS_CERTIFICATE !== undefined &&
      env.SLIPWAY_TLS_KEY !== undefined && {
        tls: { certificate: env.SLIPWAY_TLS_CERTIFICATE, key: env.SLIPWAY_TLS_KEY },
      }),
  }
}

/** Every secret among the settings, for the log to keep out. */
export function secretsOf({ github, gitlab, signingKey, tls }: AppConfig): readonly string[] {
  return [
    ...(github ? [github.privateKey, ...github.webhookSecrets] : []),
    ...(gitlab ? [gitlab.token, ...gitlab.webhookSecrets, ...gitlab.signingTokens] : []),
    signingKey,
    ...(tls ? [tls.key] : []),
  ]
}

function both(current: string | undefined, previous: string | undefined): readonly string[] {
  return [current, previous].filter((secret) => secret !== undefined)
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '')
}

function knownHosts(lines: string | undefined): { readonly knownHosts?: readonly string[] } {
  const kept = (lines ?? '').split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
  return kept.length === 0 ? {} : { knownHosts: kept }
}
