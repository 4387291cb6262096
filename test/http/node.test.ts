import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readConfig, secretsOf } from '../../src/entry/config.ts'
import { jsonLog } from '../../src/entry/log.ts'
import { serve } from '../../src/entry/node.ts'
import { Problem } from '../../src/core/problem.ts'
import { newSigningKey } from '../../src/secrets/signing.ts'

const folder = mkdtempSync(join(tmpdir(), 'slipway-entry-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const SECRET = 'correct horse battery staple'
const GITLAB = {
  SLIPWAY_GITLAB_URL: 'http://127.0.0.1:9/',
  SLIPWAY_GITLAB_TOKEN: 'glpat-canarycanarycanary',
  SLIPWAY_GITLAB_WEBHOOK_SECRET: SECRET,
}
const BASE = {
  SLIPWAY_DATABASE: join(folder, 'app.db'),
  SLIPWAY_PUBLIC_URL: 'https://slipway.example.org/',
  SLIPWAY_LISTEN: '127.0.0.1:0',
}

function problemOf(environment: Record<string, string>): string {
  try {
    readConfig(environment)
  } catch (error) {
    if (error instanceof Problem) return error.what
    throw error
  }
  throw new Error('no problem')
}

describe('settings', () => {
  test('that are missing or wrong are told together, without their values', () => {
    const what = problemOf({
      SLIPWAY_GITHUB_APP_ID: 'seven',
      SLIPWAY_GITHUB_WEBHOOK_SECRET: 'short-secret',
      SLIPWAY_SIGNING_KEY_FILE: join(folder, 'absent.pem'),
      SLIPWAY_LISTEN: 'everywhere',
      SLIPWAY_PUBLIC_URL: '',
    })
    for (const name of [
      'SLIPWAY_GITHUB_APP_ID: is not a number',
      'SLIPWAY_GITHUB_PRIVATE_KEY: is not set',
      'SLIPWAY_GITHUB_WEBHOOK_SECRET: has fewer than 16 characters',
      'SLIPWAY_SIGNING_KEY_FILE: cannot be read (ENOENT)',
      'SLIPWAY_SIGNING_KEY: is not set',
      'SLIPWAY_DATABASE: is not set',
      'SLIPWAY_PUBLIC_URL: is not set',
      'SLIPWAY_LISTEN: is not host:port',
    ]) {
      expect(what).toContain(name)
    }
    expect(what).not.toContain('short-secret')
    expect(what).not.toContain('seven')
  })

  test('need a forge, and nothing secret has a default', () => {
    const what = problemOf({ ...BASE, SLIPWAY_SIGNING_KEY: 'x' })
    expect(what).toContain('connect one forge')
    expect(problemOf({ ...BASE, SLIPWAY_SIGNING_KEY: 'x', SLIPWAY_GITLAB_URL: 'https://gitlab.test' })).toContain(
      'SLIPWAY_GITLAB_WEBHOOK_SECRET: is not set',
    )
  })

  test('may come from files, once each', () => {
    const file = join(folder, 'token')
    writeFileSync(file, 'glpat-from-a-file\n')
    const { SLIPWAY_GITLAB_TOKEN: _, ...gitlab } = GITLAB
    const config = readConfig({ ...BASE, ...gitlab, SLIPWAY_GITLAB_TOKEN_FILE: file, SLIPWAY_SIGNING_KEY: 'x' })
    expect(config).toMatchObject({
      gitlab: { token: 'glpat-from-a-file', url: 'http://127.0.0.1:9', webhookSecrets: [SECRET], signingTokens: [] },
      publicUrl: 'https://slipway.example.org',
      listen: { host: '127.0.0.1', port: 0 },
    })
    expect(config.github).toBeUndefined()
    expect(problemOf({ ...BASE, ...GITLAB, SLIPWAY_GITLAB_TOKEN_FILE: file })).toContain('are both set: keep one')
  })

  test('take two webhook secrets while one replaces the other', () => {
    const config = readConfig({
      ...BASE,
      ...GITLAB,
      SLIPWAY_SIGNING_KEY: 'x',
      SLIPWAY_GITLAB_WEBHOOK_SECRET_PREVIOUS: 'whsec_c2VjcmV0IHNlY3JldA==',
    })
    expect(config.gitlab).toMatchObject({ webhookSecrets: [SECRET], signingTokens: ['whsec_c2VjcmV0IHNlY3JldA=='] })
  })
})

test('a signing key that is none stops the start', async () => {
  const config = readConfig({ ...BASE, ...GITLAB, SLIPWAY_SIGNING_KEY: 'bm90IGEga2V5' })
  await expect(
    serve(
      config,
      jsonLog(() => undefined),
    ),
  ).rejects.toThrow('signing-key')
})

test('the app serves on a real port, survives a forge that is away, and stops', async () => {
  const lines: string[] = []
  const config = readConfig({ ...BASE, ...GITLAB, SLIPWAY_SIGNING_KEY: await newSigningKey() })
  const serving = await serve(
    config,
    jsonLog((line) => lines.push(line), secretsOf(config)),
  )
  try {
    const url = `http://127.0.0.1:${serving.address.port}`
    const health = await fetch(`${url}/healthz`)
    expect([health.status, await health.json()]).toMatchObject([200, { ok: true }])
    const hook = await fetch(`${url}/webhooks/gitlab`, {
      method: 'POST',
      headers: { 'x-gitlab-token': 'wrong', 'x-gitlab-event': 'Push Hook' },
      body: '{}',
    })
    expect(hook.status).toBe(401)
    const enroll = await fetch(`${url}/runner/v1/enroll`, { method: 'POST', body: '{}' })
    expect([enroll.status, await enroll.json()]).toMatchObject([401, { problem: { code: 'token.refused' } }])
  } finally {
    await serving.stop()
  }
  expect(lines.at(-1)).toContain('"message":"stopped"')
  expect(lines.join('')).not.toContain(SECRET)
  expect(lines.join('')).not.toContain('glpat-')
})

test('the log keeps secrets out, wherever in a line they are', () => {
  const lines: string[] = []
  const log = jsonLog((line) => lines.push(line), ['a very special secret'])
  log.error('calling with a very special secret', {
    error: new Error('PVEAPIToken=root@pam!x=1234-5678 was refused'),
    nested: { list: ['ghs_0123456789012345678901234567890123456789'] },
  })
  expect(lines.join('')).not.toMatch(/special|1234-5678|ghs_0/)
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'error', message: 'calling with [secret]' })
})
