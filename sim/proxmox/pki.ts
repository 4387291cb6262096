import { createHash } from 'node:crypto'
// The polyfill has to be there before the package loads.
// oxlint-disable-next-line import/no-unassigned-import
import '../reflect-metadata.ts'
import * as x509 from '@peculiar/x509'

/** As long as `pveproxy` certificates live at most, and the cluster CA: https://pve.proxmox.com/wiki/Certificate_Management */
const LEAF_LIFE_MS = 730 * 24 * 3_600_000
const CA_LIFE_MS = 3_650 * 24 * 3_600_000
const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

export interface Pki {
  /** The cluster's own CA (`/etc/pve/pve-root-ca.pem`). */
  readonly caPem: string
  readonly certPem: string
  readonly keyPem: string
  /** SHA-256 of the leaf, upper-case hexadecimal pairs with colons. */
  readonly fingerprint: string
}

/** A CA and a leaf for the names and addresses given; times come from the real clock, since TLS clients compare with it. */
export async function makePki(names: readonly string[], addresses: readonly string[]): Promise<Pki> {
  x509.cryptoProvider.set(crypto)
  const from = new Date(Date.now() - 60_000)
  const caKeys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Proxmox Virtual Environment, OU=simulated, O=PVE Cluster Manager CA',
    keys: caKeys,
    signingAlgorithm: KEY,
    notBefore: from,
    notAfter: new Date(Date.now() + CA_LIFE_MS),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  })
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
  const leaf = await x509.X509CertificateGenerator.create({
    subject: `CN=${names[0] ?? 'pve'}, OU=PVE Cluster Node, O=Proxmox Virtual Environment`,
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: KEY,
    notBefore: from,
    notAfter: new Date(Date.now() + LEAF_LIFE_MS),
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...names.map((value) => ({ type: 'dns' as const, value })),
        ...addresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  })
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const digest = createHash('sha256').update(Buffer.from(leaf.rawData)).digest('hex').toUpperCase()
  return {
    caPem: `${ca.toString('pem')}\n`,
    certPem: `${leaf.toString('pem')}\n`,
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`,
    fingerprint: (digest.match(/../g) ?? []).join(':'),
  }
}
