import { engineOf } from '../../src/blueprint/engines.ts'
import { Problem } from '../../src/core/problem.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import type { Clock } from '../../src/seams/clock.ts'
import type { RunnerConfig } from '../config.ts'
import { probeRepository } from '../git-mirror.ts'
import { readIdentity } from '../identity.ts'
import type { Keystore } from '../keystore.ts'
import { systemClock } from '../system-clock.ts'
import { dialler } from './dial.ts'
import { clusterFolder, deployKeyFile, fileLanKeys } from './file-keys.ts'
import type { KubeApi } from './kube-api.ts'
import { kubeClient } from './kube-client.ts'
import type { Lan } from './lan.ts'
import { proxmoxClient } from './proxmox-client.ts'
import { fetchedSources } from './source-fetch.ts'
import { sshRemote } from './ssh-remote.ts'

/** For whom the LAN is opened. */
export interface LanInput {
  /** Id of the repository at its forge, or `local`. */
  readonly repository: string
  readonly spec: ClusterSpec
  readonly fence: number
  readonly registerDeployKey: (title: string, publicKey: string) => Promise<void>
}

/**
 * The LAN as `runner.yaml` says it is reached. Connections are made when they are needed and end with the disposal.
 */
export async function openLan(
  config: RunnerConfig,
  keys: Keystore,
  input: LanInput,
  clock: Clock = systemClock,
): Promise<Lan & AsyncDisposable> {
  const { repository, spec, fence } = input
  const dial = dialler(config.proxy)
  const lanKeys = fileLanKeys(keys, repository, spec.name, clock)
  const remote = sshRemote(dial, lanKeys)
  const hypervisors = new Map<string, ReturnType<typeof proxmoxClient>>()
  let cluster: { readonly kubeconfig: string; readonly api: KubeApi } | undefined
  const runner = readIdentity(keys)?.name

  return {
    repository,
    spec,
    fence,
    ...(runner === undefined ? {} : { runner }),
    remote,
    proxmox(name) {
      const present = hypervisors.get(name)
      if (present !== undefined) return present
      const connection = config.connections[name]
      if (connection === undefined)
        throw new Problem({
          code: 'runner.no-connection',
          what: `this runner has no connection "${name}"`,
          where: config.file,
          remedy: `Write it under \`connections:\` in ${config.file}, or name in the spec one that is there.`,
          retry: 'never',
        })
      const made = proxmoxClient(name, connection, dial, clock)
      hypervisors.set(name, made)
      return made
    },
    async kube() {
      const kubeconfig = lanKeys.kubeconfig()
      if (kubeconfig === undefined)
        throw new Problem({
          code: 'kube.no-credentials',
          what: `this runner has no administrator's credentials for ${spec.name}`,
          remedy: 'They are fetched when the first control plane is made.',
          retry: 'later',
        })
      // A cluster that was made anew has other credentials and another authority.
      if (cluster?.kubeconfig !== kubeconfig) {
        await cluster?.api.close()
        cluster = { kubeconfig, api: kubeClient(kubeconfig, dial, clock) }
      }
      return cluster.api
    },
    sources: fetchedSources(dial, lanKeys, config.tools.helm),
    keys: lanKeys,
    engine: engineOf(spec.gitops.engine),
    forge: {
      registerDeployKey: (title, publicKey) => input.registerDeployKey(title, publicKey),
      async probeDeployKey() {
        await lanKeys.deployKey()
        const knownHosts = `${clusterFolder(repository, spec.name)}/known_hosts`
        const { knownHosts: lines } = spec.gitops.repository
        keys.write(knownHosts, lines.map((line) => `${line}\n`).join(''))
        await probeRepository(spec.gitops.repository, deployKeyFile(keys, repository, spec.name), keys.path(knownHosts))
      },
    },
    clock,
    async [Symbol.asyncDispose]() {
      await remote.close()
      await cluster?.api.close()
      await Promise.all([...hypervisors.values()].map((api) => api.close()))
    },
  }
}
