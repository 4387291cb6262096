import { Problem } from '../core/problem.ts'
import { fromBase64, toBase64 } from './bytes.ts'

/** An Ed25519 key that signs: the app's (runners pin its public half when they enrol) or a runner's. */
export interface Signer {
  /** SPKI DER in base64. */
  readonly publicKey: string
  /** Signature over the UTF-8 bytes, base64. */
  sign(text: string): Promise<string>
}

const encoder = new TextEncoder()

/**
 * @param pkcs8 - Ed25519 private key: PEM (`-----BEGIN PRIVATE KEY-----`), or the DER in base64.
 * @throws Problem `secrets.signing-key`; never quotes the key.
 */
export async function signerFrom(pkcs8: string): Promise<Signer> {
  try {
    const der = fromBase64(pkcs8.replace(/-----(?:BEGIN|END) PRIVATE KEY-----/g, '').replace(/\s/g, ''))
    const key = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', true, ['sign'])
    const { x } = await crypto.subtle.exportKey('jwk', key)
    const half = await crypto.subtle.importKey('jwk', { kty: 'OKP', crv: 'Ed25519', x: x! }, 'Ed25519', true, [
      'verify',
    ])
    const publicKey = toBase64(new Uint8Array(await crypto.subtle.exportKey('spki', half)))
    return {
      publicKey,
      async sign(text) {
        return toBase64(new Uint8Array(await crypto.subtle.sign('Ed25519', key, encoder.encode(text))))
      },
    }
  } catch {
    throw new Problem({
      code: 'secrets.signing-key',
      what: 'reading the signing key: it is not an Ed25519 private key in PKCS#8',
      remedy: 'Make one with: openssl genpkey -algorithm ed25519 -out signing.pem',
      retry: 'never',
    })
  }
}

/** A new private key as PKCS#8 PEM. */
export async function newSigningKey(): Promise<string> {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])
  if (!('privateKey' in pair)) throw new TypeError('Ed25519 gave no key pair')
  const der = toBase64(new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey)))
  return `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`
}

/** Whether this is an Ed25519 public key (SPKI DER in base64). */
export async function isPublicKey(publicKey: string): Promise<boolean> {
  try {
    await crypto.subtle.importKey('spki', fromBase64(publicKey), 'Ed25519', false, ['verify'])
    return true
  } catch {
    return false
  }
}

/** Whether `signature` (base64) is by `publicKey` (SPKI DER in base64) over the text; malformed input is a no. */
export async function verifySignature(publicKey: string, text: string, signature: string): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey('spki', fromBase64(publicKey), 'Ed25519', false, ['verify'])
    return await crypto.subtle.verify('Ed25519', key, fromBase64(signature), encoder.encode(text))
  } catch {
    return false
  }
}

/** What the app signs to give a job: exactly the order's bytes, bound to the fence. */
export function jobText(fence: number, order: string): string {
  return `slipway-job-1\n${fence}\n${order}`
}
