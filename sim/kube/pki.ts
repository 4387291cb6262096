import { X509Certificate, createHash, createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto'
// oxlint-disable-next-line import/no-unassigned-import
import '../reflect-metadata.ts'
import * as x509 from '@peculiar/x509'

/**
 * The certificates of `kubeadm init`: ECDSA P-256 throughout, as with `encryptionAlgorithm: ECDSA-P256` (kubeadm's
 * default, RSA-2048, costs more to make than the rest of a simulated cluster).
 */
const KEY: EcKeyGenParams = { name: 'ECDSA', namedCurve: 'P-256' }
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' }
const YEAR_MS = 365 * 24 * 3_600_000
/** kubeadm's defaults: 8760 h for certificates, 87600 h for authorities. */
const CERTIFICATE_MS = YEAR_MS
const AUTHORITY_MS = 10 * YEAR_MS
/** kubeadm dates certificates back by five minutes, for clocks that differ. */
const BACKDATED_MS = 5 * 60_000

export interface Authority {
  readonly certificate: x509.X509Certificate
  readonly keys: CryptoKeyPair
  readonly pem: string
  readonly keyPem: string
}

export interface Leaf {
  readonly pem: string
  readonly keyPem: string
}

const crypto = webcrypto as unknown as Crypto

const generate = async (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(KEY, true, ['sign', 'verify'])

/** SEC 1 (`EC PRIVATE KEY`), as Go's tools write it. */
async function privatePem(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'sec1', format: 'pem' }).toString()
}

const certificatePem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem').trim()}\n`
const serial = (): string => `0${randomBytes(8).toString('hex').slice(1)}`

export async function authority(commonName: string, now: number): Promise<Authority> {
  const keys = await generate()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial(),
      name: `CN=${commonName}`,
      notBefore: new Date(now - BACKDATED_MS),
      notAfter: new Date(now + AUTHORITY_MS),
      keys,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment | x509.KeyUsageFlags.keyCertSign,
          true,
        ),
        new x509.BasicConstraintsExtension(true, undefined, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
        new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: commonName }]),
      ],
    },
    crypto,
  )
  return { certificate, keys, pem: certificatePem(certificate), keyPem: await privatePem(keys.privateKey) }
}

export interface LeafRequest {
  readonly commonName: string
  readonly organizations?: readonly string[]
  readonly usages: readonly ('client' | 'server')[]
  /** DNS names and addresses. */
  readonly subjects?: readonly string[]
}

export async function issue(by: Authority, request: LeafRequest, now: number): Promise<Leaf> {
  const keys = await generate()
  return { pem: await sign(by, request, keys.publicKey, now), keyPem: await privatePem(keys.privateKey) }
}

async function sign(by: Authority, request: LeafRequest, publicKey: CryptoKey, now: number): Promise<string> {
  const { commonName, organizations = [], usages, subjects = [] } = request
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial(),
      subject: [...organizations.map((name) => ({ O: [name] })), { CN: [commonName] }],
      issuer: by.certificate.subject,
      notBefore: new Date(now - BACKDATED_MS),
      notAfter: new Date(now + CERTIFICATE_MS),
      publicKey,
      signingKey: by.keys.privateKey,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
        new x509.ExtendedKeyUsageExtension(
          usages.map((usage) =>
            usage === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth,
          ),
        ),
        new x509.BasicConstraintsExtension(false, undefined, true),
        await x509.AuthorityKeyIdentifierExtension.create(by.keys.publicKey, false, crypto),
        ...(subjects.length === 0
          ? []
          : [
              new x509.SubjectAlternativeNameExtension(
                subjects.map((value) => ({
                  type: /^[\d.]+$|:/.test(value) ? ('ip' as const) : ('dns' as const),
                  value,
                })),
              ),
            ]),
      ],
    },
    crypto,
  )
  return certificatePem(certificate)
}

/** A bare key pair: the service account signing key. */
export async function keyPair(): Promise<{ readonly keyPem: string; readonly publicPem: string }> {
  const keys = await generate()
  const keyPem = await privatePem(keys.privateKey)
  return { keyPem, publicPem: createPublicKey(keyPem).export({ type: 'spki', format: 'pem' }).toString() }
}

/** `sha256:<hex>` of the certificate's SubjectPublicKeyInfo, as `--discovery-token-ca-cert-hash` wants it. */
export function publicKeyHash(pem: string): string {
  const der = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })
  return `sha256:${createHash('sha256').update(der).digest('hex')}`
}
