import type { App } from '../../src/app/app.ts'
import { receiveWebhook } from '../../src/app/receive-webhook.ts'
import { newSigningKey, signerFrom } from '../../src/secrets/signing.ts'
import type { ForgeEvent } from '../../src/seams/forge.ts'
import type { Store } from '../../src/seams/store.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type FakeForge, fakeForge, WEBHOOK_SECRET } from './fake-forge.ts'

/** The body of an event without what every event has. */
export type Hint = ForgeEvent extends infer E ? (E extends ForgeEvent ? Omit<E, 'repo' | 'delivery'> : never) : never

export interface Harness {
  readonly app: App
  readonly forge: FakeForge
  readonly store: Store
  /** Lines of the log, as text. */
  readonly logged: string[]
  /** Runs everything that was left for after the answer, and what that leaves, until nothing is left. */
  drain(): Promise<void>
  /** Delivers a webhook without running what it leaves. */
  deliver(hint: Hint, delivery?: string): Promise<string>
  /** Delivers and drains. */
  hint(hint: Hint, delivery?: string): Promise<void>
  /** Forgets what was left for later, as a crash does. */
  crash(): void
  advance(ms: number): void
}

const START = Date.parse('2026-11-21T12:00:00.000Z')

export async function harness(
  options: { readonly store?: (now: () => number) => Store; readonly forge?: FakeForge } = {},
): Promise<Harness> {
  let now = START
  const forge = options.forge ?? fakeForge()
  const store = (options.store ?? memoryStore)(() => now)
  let left: { name: string; work: () => Promise<void> }[] = []
  const logged: string[] = []
  let ids = 0
  let deliveries = 0
  const log = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    const text = JSON.stringify(fields ?? {}, (_, value: unknown) =>
      value instanceof Error ? `${value.message}\n${value.stack ?? ''}` : value,
    )
    logged.push(`${level} ${message} ${text}`)
  }
  const app: App = {
    forges: new Map([[forge.name, forge]]),
    store,
    clock: {
      now: () => now,
      async sleep(ms) {
        now += ms
      },
    },
    random: {
      bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      id: () => {
        ids += 1
        return `id-${String(ids).padStart(22, '0')}`
      },
    },
    log: { info: log('info'), warn: log('warn'), error: log('error') },
    signer: await signerFrom(await newSigningKey()),
    settings: { publicUrl: 'https://slipway.test', docsUrl: 'https://docs.test' },
    defer(name, work) {
      left.push({ name, work })
    },
    stopping: new AbortController().signal,
  }
  const deliver: Harness['deliver'] = async (hint, delivery) => {
    deliveries += 1
    const event = { ...hint, repo: forge.repo, delivery: delivery ?? `delivery-${deliveries}` }
    const body = new TextEncoder().encode(JSON.stringify(event))
    const received = await receiveWebhook(app, forge.name, { headers: { 'x-signature': WEBHOOK_SECRET }, body })
    return received.outcome
  }
  const drain = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      try {
        await next.work()
      } catch (error) {
        app.log.error(next.name, { error })
      }
    }
  }
  return {
    app,
    forge,
    store,
    logged,
    drain,
    deliver,
    async hint(hint, delivery) {
      await deliver(hint, delivery)
      await drain()
    },
    crash() {
      left = []
    },
    advance(ms) {
      now += ms
    },
  }
}

/** A small cluster on Proxmox; `workers` names its workers. */
export function homeSpec(workers: readonly string[] = ['w-1'], name = 'home'): string {
  return [
    'apiVersion: slipway.dev/v1alpha1',
    'kind: Cluster',
    `metadata: { name: ${name} }`,
    'spec:',
    '  kubernetes: { distribution: kubeadm, version: 1.36.3, runtime: containerd }',
    '  endpoint: { address: 10.4.0.11, port: 6443 }',
    '  network:',
    '    pods: 10.244.0.0/16',
    '    services: 10.96.0.0/12',
    '    cni: { kind: flannel }',
    '  providers:',
    '    pve: { kind: proxmox, connection: lab, image: debian-13, storage: local-zfs, bridge: vmbr0, gateway: 10.4.0.1 }',
    '  machines:',
    '    - { name: cp-1, role: control-plane, provider: pve, node: pve1, id: 401, address: 10.4.0.11/24, cores: 4, memory: 8GiB, disk: 40GiB }',
    ...workers.map(
      (worker, i) =>
        `    - { name: ${worker}, role: worker, provider: pve, node: pve1, id: ${411 + i}, address: 10.4.0.${21 + i}/24, cores: 4, memory: 8GiB, disk: 40GiB }`,
    ),
    '  gitops: { engine: flux }',
    '',
  ].join('\n')
}
