import type { AgeKeyPair } from '../../src/secrets/age.ts'
import type { SshKeyPair } from '../../src/secrets/ssh-key.ts'

/** Key material of one cluster, made on the LAN and kept by the runner alone. */
export interface LanKeys {
  /** The pair with which the runner logs in on hosts; its public half is put onto machines that it makes. */
  site(): Promise<SshKeyPair>
  deployKey(): Promise<SshKeyPair>
  /** Fingerprint of the deploy key that the forge was seen to have, `undefined` before that. */
  registeredKey(): string | undefined
  recordRegisteredKey(fingerprint: string): void
  ageKey(): Promise<AgeKeyPair>
  /** Recorded host key of a machine (`ssh-ed25519 AAAA…`), for the generation of its disk that `mark` names. */
  hostKey(machine: string): string | undefined
  recordHostKey(machine: string, publicKey: string): void
  forgetHostKey(machine: string): void
  /** The administrator's kubeconfig as kubeadm wrote it. */
  kubeconfig(): string | undefined
  recordKubeconfig(text: string): void
  /**
   * What an interrupted init or join must find again: the token, and the certificate key. Made once per cluster and
   * renewed when older than its life.
   */
  bootstrapToken(): string | undefined
  recordBootstrapToken(token: string): void
  /** SHA-256 of fetched artifacts by URL, pinned on first use. */
  artifacts(): Readonly<Record<string, string>>
  recordArtifact(url: string, sha256: string): void
}
