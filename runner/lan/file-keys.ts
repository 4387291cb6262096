import { ageRecipient, newAgeKey } from '../../src/secrets/age.ts'
import type { SshKeyPair } from '../../src/secrets/ssh-key.ts'
import type { Clock } from '../../src/seams/clock.ts'
import type { Keystore } from '../keystore.ts'
import type { LanKeys } from './keys.ts'

/** A run that was interrupted is taken up again within a day; after that a new token is better. */
const TOKEN_KEPT_MS = 24 * 3_600_000

/** Folder of a cluster's keys in the keystore. */
export function clusterFolder(repository: string, cluster: string): string {
  return `clusters/${repository}/${cluster}`
}

/** The pair with which this runner logs in on all machines; made at first use. */
export function siteKey(keys: Keystore): Promise<SshKeyPair> {
  return keys.sshKey('site/key', 'slipway-runner')
}

/** Path of a cluster's deploy key, for programs that want a file. */
export function deployKeyFile(keys: Keystore, repository: string, cluster: string): string {
  return keys.path(`${clusterFolder(repository, cluster)}/deploy-key`)
}

/** A cluster's keys as files of the keystore: `clusters/<repository>/<cluster>/…`. */
export function fileLanKeys(keys: Keystore, repository: string, cluster: string, clock: Clock): LanKeys {
  const folder = clusterFolder(repository, cluster)
  const line = (name: string): string | undefined => keys.read(`${folder}/${name}`)?.trim()
  const write = (name: string, text: string): void => keys.write(`${folder}/${name}`, text)
  const hostKeyFile = (machine: string): string => `host-keys/${machine}`
  const artifacts = (): Record<string, string> =>
    JSON.parse(keys.read(`${folder}/artifacts.json`) ?? '{}') as Record<string, string>
  return {
    site: () => siteKey(keys),
    deployKey: () => keys.sshKey(`${folder}/deploy-key`, `slipway-${cluster}`),
    registeredKey: () => line('registered-key'),
    recordRegisteredKey: (fingerprint) => write('registered-key', `${fingerprint}\n`),
    async ageKey() {
      const identity = (
        await keys.readOrMake(`${folder}/age-key`, async () => `${(await newAgeKey()).identity}\n`)
      ).trim()
      return { identity, recipient: await ageRecipient(identity) }
    },
    hostKey: (machine) => line(hostKeyFile(machine)),
    recordHostKey: (machine, publicKey) => write(hostKeyFile(machine), `${publicKey.trim()}\n`),
    forgetHostKey: (machine) => keys.remove(`${folder}/${hostKeyFile(machine)}`),
    kubeconfig: () => keys.read(`${folder}/kubeconfig`),
    recordKubeconfig: (text) => write('kubeconfig', text),
    bootstrapToken() {
      const [token, madeAt] = (line('bootstrap-token') ?? '').split(' ')
      return token !== undefined && token !== '' && clock.now() - Number(madeAt) < TOKEN_KEPT_MS ? token : undefined
    },
    recordBootstrapToken: (token) => write('bootstrap-token', `${token} ${clock.now()}\n`),
    artifacts,
    recordArtifact: (url, sha256) => write('artifacts.json', `${JSON.stringify({ ...artifacts(), [url]: sha256 })}\n`),
  }
}
