import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { parse } from 'yaml'
import * as z from 'zod'
import type { KubeObject } from '../../../src/core/component.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { Lan } from '../../lan/lan.ts'

/** Life of a bootstrap token in the cluster: long enough for slow joins, short enough to be worth little. */
const TOKEN_TTL_MS = 2 * 3_600_000
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** `abcdef.0123456789abcdef` of unpredictable characters. */
export function newBootstrapToken(): string {
  const letters = [...randomBytes(22)].map((byte) => LETTERS[byte % LETTERS.length] ?? 'a').join('')
  return `${letters.slice(0, 6)}.${letters.slice(6)}`
}

/** 32 bytes as hexadecimal digits, as kubeadm wants the key that control plane certificates are uploaded under. */
export function newCertificateKey(): string {
  return randomBytes(32).toString('hex')
}

/** The cluster's token, made and kept on the LAN; the same for all joins of a run. */
export function bootstrapToken(lan: Lan): string {
  const known = lan.keys.bootstrapToken()
  if (known !== undefined) return known
  const token = newBootstrapToken()
  lan.keys.recordBootstrapToken(token)
  return token
}

/** The Secret by which the cluster knows a token. */
export function tokenSecret(token: string, nowMs: number): KubeObject {
  const [id = '', secret = ''] = token.split('.')
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      description: 'Slipway: nodes that join',
      'token-id': id,
      'token-secret': secret,
      expiration: new Date(nowMs + TOKEN_TTL_MS).toISOString().replace(/\.\d{3}Z$/, 'Z'),
      'usage-bootstrap-authentication': 'true',
      'usage-bootstrap-signing': 'true',
      'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
    },
  }
}

const Kubeconfig = z.looseObject({
  clusters: z.array(z.looseObject({ cluster: z.looseObject({ 'certificate-authority-data': z.string() }) })).min(1),
})

/** What a joining node pins: SHA-256 over the public key of the cluster's CA, `sha256:<hex>`. */
export function caCertHash(kubeconfig: string): string {
  const parsed = Kubeconfig.safeParse(parse(kubeconfig))
  const data = parsed.success ? parsed.data.clusters[0]?.cluster['certificate-authority-data'] : undefined
  if (data === undefined)
    throw new Problem({
      code: 'kube.kubeconfig',
      what: 'the kubeconfig of the cluster has no certificate authority',
      remedy: 'Remove it from the keystore; it is fetched again.',
      retry: 'later',
    })
  const certificate = new X509Certificate(Buffer.from(data, 'base64'))
  return `sha256:${createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')}`
}
