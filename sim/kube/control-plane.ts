import { X509Certificate, createHash } from 'node:crypto'
import { stringify } from 'yaml'
import type { SimClock } from '../clock.ts'
import type { FaultPlan } from '../faults.ts'
import type { Random } from '../random.ts'
import { hex } from '../random.ts'
import { KubeApi } from './api.ts'
import { bootstrapUser } from './auth.ts'
import { putCertificates, putStaticPods, putToken, seedCluster, setVersion } from './bootstrap.ts'
import type { ClusterInit, JoinRefusal, KubeCluster, NodeInfo } from './cluster.ts'
import { Controllers } from './controllers.ts'
import { addArgoCd } from './gitops/argocd.ts'
import type { GitAccess } from './gitops/checkout.ts'
import { Engines } from './gitops/engine.ts'
import { addFleet } from './gitops/fleet.ts'
import { addFlux } from './gitops/flux.ts'
import { Housekeeping } from './housekeeping.ts'
import { runKubectl } from './kubectl/kubectl.ts'
import { Nodes, withV } from './nodes.ts'
import type { Authority, Leaf } from './pki.ts'
import { authority, issue, keyPair, publicKeyHash } from './pki.ts'
import { Pods } from './pods.ts'
import type { ApiServer, KubeFault } from './server.ts'
import { serveApi } from './server.ts'
import { Workloads } from './workloads.ts'

/** The part of `sim/lan` that a cluster needs: addresses of the LAN that lead to loopback ports. */
export interface LanTable {
  register(address: string, port: number, loopbackPort: number): void
  unregister(address: string, port: number): void
}

const API_PORT = 6443
/** Simulated time in which a new etcd member, a learner, catches up and is promoted. */
const LEARNER_MS = 3_000
/** `kubeadm-certs` lives two hours. */
const CERTIFICATE_KEY_MS = 7_200_000

interface Member {
  readonly id: string
  readonly name: string
  readonly address: string
  learner: boolean
}

export interface ClusterParts {
  readonly lan: LanTable
  readonly clock: SimClock
  readonly random: Random
  readonly faults: FaultPlan<KubeFault>
  readonly gitAccess?: GitAccess
}

export interface JoinInput {
  readonly token: string
  readonly caCertHashes: readonly string[]
  readonly node: NodeInfo
  readonly controlPlane?: { readonly certificateKey?: string }
}

/** A cluster that kubeadm made: certificates, one API server for each control plane, etcd members, nodes. */
export class SimulatedCluster implements KubeCluster {
  readonly endpoint: string
  readonly pki: ReadonlyMap<string, string>
  readonly caCertHash: string
  readonly api: KubeApi
  readonly controllers: Controllers
  readonly nodes: Nodes
  readonly #parts: ClusterParts
  readonly #input: ClusterInit
  readonly #authority: Authority
  readonly #users = new Map<string, Leaf>()
  readonly #servers = new Map<string, ApiServer>()
  #members: Member[] = []
  #version: string
  #certificateKey: { readonly key: string; readonly until: number } | undefined

  private constructor(parts: ClusterParts, input: ClusterInit, root: Authority, pki: ReadonlyMap<string, string>) {
    this.#parts = parts
    this.#input = input
    this.#authority = root
    this.#version = withV(input.kubernetesVersion)
    this.endpoint = withPort(input.controlPlaneEndpoint)
    this.pki = pki
    this.caCertHash = publicKeyHash(root.pem)
    this.api = new KubeApi(parts.clock, parts.random, input.serviceSubnet)
    this.controllers = new Controllers(this.api, parts.clock)
    this.nodes = new Nodes(this.api, this.controllers, input.podSubnet)
    void new Workloads(this.api, this.controllers)
    void new Pods(this.api, this.controllers, this.nodes)
    void new Housekeeping(this.api, this.controllers, root.pem)
    const { clock, faults, gitAccess } = parts
    const engines = new Engines({
      api: this.api,
      controllers: this.controllers,
      clock,
      faults,
      ...(gitAccess === undefined ? {} : { gitAccess }),
    })
    addFlux(engines)
    addArgoCd(engines)
    addFleet(engines)
  }

  static async init(parts: ClusterParts, input: ClusterInit): Promise<SimulatedCluster> {
    const now = parts.clock.now()
    const [root, etcd, frontProxy, serviceAccount] = await Promise.all([
      authority('kubernetes', now),
      authority('etcd-ca', now),
      authority('front-proxy-ca', now),
      keyPair(),
    ])
    const [kubeletClient, etcdClient, health, frontProxyClient] = await Promise.all([
      issue(
        root,
        { commonName: 'kube-apiserver-kubelet-client', organizations: ['kubeadm:cluster-admins'], usages: ['client'] },
        now,
      ),
      issue(etcd, { commonName: 'kube-apiserver-etcd-client', usages: ['client'] }, now),
      issue(etcd, { commonName: 'kube-etcd-healthcheck-client', usages: ['client'] }, now),
      issue(frontProxy, { commonName: 'front-proxy-client', usages: ['client'] }, now),
    ])
    const pki = new Map<string, string>()
    const keep = (path: string, { pem, keyPem }: Leaf) => {
      pki.set(`/etc/kubernetes/pki/${path}.crt`, pem)
      pki.set(`/etc/kubernetes/pki/${path}.key`, keyPem)
    }
    keep('ca', root)
    keep('etcd/ca', etcd)
    keep('front-proxy-ca', frontProxy)
    keep('apiserver-kubelet-client', kubeletClient)
    keep('apiserver-etcd-client', etcdClient)
    keep('etcd/healthcheck-client', health)
    keep('front-proxy-client', frontProxyClient)
    pki.set('/etc/kubernetes/pki/sa.key', serviceAccount.keyPem)
    pki.set('/etc/kubernetes/pki/sa.pub', serviceAccount.publicPem)
    const etcdNames = [input.node.name, 'localhost', input.node.address, '127.0.0.1', '::1']
    for (const role of ['server', 'peer'])
      keep(
        `etcd/${role}`,
        await issue(etcd, { commonName: input.node.name, usages: ['server', 'client'], subjects: etcdNames }, now),
      )
    const cluster = new SimulatedCluster(parts, input, root, pki)
    await cluster.#issueUser('admin', 'kubernetes-admin', ['kubeadm:cluster-admins'])
    await cluster.#issueUser('super-admin', 'kubernetes-super-admin', ['system:masters'])
    keep('apiserver', await cluster.#serve(input.node))
    seedCluster(cluster.api, input, root.pem)
    for (const { token, ttlMs } of input.bootstrapTokens) cluster.createToken(token, ttlMs)
    if (input.uploadCertsKey !== undefined) cluster.uploadCerts(input.uploadCertsKey)
    cluster.#members.push(cluster.#member(input.node, false))
    await cluster.#register(input.node, true)
    cluster.controllers.run()
    return cluster
  }

  get version(): string {
    return this.#version
  }

  /** Where this cluster's API answers now, `address:port`. */
  endpoints(): readonly string[] {
    const up = this.#running()
    return up.length === 0 ? [] : [...new Set([this.endpoint, ...up.map(({ address }) => `${address}:${API_PORT}`)])]
  }

  #running(): readonly NodeInfo[] {
    return [...this.nodes.kubelets.values()]
      .filter(({ controlPlane, running }) => controlPlane && running)
      .map(({ info }) => info)
  }

  async #issueUser(user: string, commonName: string, organizations: readonly string[]): Promise<void> {
    this.#users.set(
      user,
      await issue(this.#authority, { commonName, organizations, usages: ['client'] }, this.#parts.clock.now()),
    )
  }

  async #register(node: NodeInfo, controlPlane: boolean): Promise<void> {
    await this.#issueUser(`node:${node.name}`, `system:node:${node.name}`, ['system:nodes'])
    this.nodes.register(node, controlPlane)
    if (controlPlane) putStaticPods(this.api, node.name, this.#version)
    this.#announce()
  }

  /** Starts the API server of a control plane; its serving certificate names what kubeadm would name. */
  async #serve(node: NodeInfo): Promise<Leaf> {
    const host = this.endpoint.slice(0, this.endpoint.lastIndexOf(':'))
    const first = `${this.#input.serviceSubnet.split('.').slice(0, 2).join('.')}.0.1`
    const subjects = [
      ...new Set([
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        'kubernetes.default.svc.cluster.local',
        node.name,
        first,
        node.address,
        host,
        ...this.#input.certSANs,
      ]),
    ]
    const certificate = await issue(
      this.#authority,
      { commonName: 'kube-apiserver', usages: ['server'], subjects },
      this.#parts.clock.now(),
    )
    const server = await serveApi({
      api: this.api,
      faults: this.#parts.faults,
      certificate,
      clientAuthority: this.#authority.pem,
      version: () => this.#version,
      outage: () => this.#outage(),
    })
    await this.#servers.get(node.name)?.close()
    this.#servers.set(node.name, server)
    return certificate
  }

  /** Without a majority of running etcd members nothing can be read or written. */
  #outage(): string | undefined {
    const voting = this.#members.filter(({ learner }) => !learner)
    const up = voting.filter(({ name }) => this.nodes.kubelets.get(name)?.running !== false)
    return up.length * 2 > voting.length ? undefined : 'etcdserver: request timed out'
  }

  /** Enters the running API servers into the LAN: each at its node's address, the first at the shared endpoint. */
  #announce(): void {
    const { lan } = this.#parts
    const running = this.#running()
    const cut = this.endpoint.lastIndexOf(':')
    const shared = { host: this.endpoint.slice(0, cut), port: Number(this.endpoint.slice(cut + 1)) }
    const ports = running.flatMap(({ name, address }) => {
      const server = this.#servers.get(name)
      return server === undefined ? [] : [{ address, port: server.port }]
    })
    for (const { controlPlane, running: up, info } of this.nodes.kubelets.values())
      if (controlPlane && !up) lan.unregister(info.address, API_PORT)
    for (const { address, port } of ports) lan.register(address, API_PORT, port)
    const [first] = ports
    if (first === undefined) lan.unregister(shared.host, shared.port)
    else if (!ports.some(({ address }) => address === shared.host)) lan.register(shared.host, shared.port, first.port)
  }

  kubeconfig(user: 'admin' | 'super-admin' | `node:${string}`, server: string): string {
    const leaf = this.#users.get(user)
    if (leaf === undefined) throw new Error(`no certificate was issued for ${user}`)
    const name = user.startsWith('node:')
      ? `system:${user}`
      : user === 'admin'
        ? 'kubernetes-admin'
        : 'kubernetes-super-admin'
    const base64 = (value: string) => Buffer.from(value).toString('base64')
    return stringify(
      {
        apiVersion: 'v1',
        clusters: [
          { cluster: { 'certificate-authority-data': base64(this.#authority.pem), server }, name: 'kubernetes' },
        ],
        contexts: [{ context: { cluster: 'kubernetes', user: name }, name: `${name}@kubernetes` }],
        'current-context': `${name}@kubernetes`,
        kind: 'Config',
        users: [
          { name, user: { 'client-certificate-data': base64(leaf.pem), 'client-key-data': base64(leaf.keyPem) } },
        ],
      },
      { lineWidth: 0 },
    )
  }

  createToken(token: string, ttlMs: number): void {
    putToken(this.api, token, ttlMs)
  }

  uploadCerts(certificateKey: string): void {
    this.#certificateKey = { key: certificateKey, until: this.#parts.clock.now() + CERTIFICATE_KEY_MS }
    putCertificates(this.api, [
      'ca.crt',
      'ca.key',
      'etcd-ca.crt',
      'etcd-ca.key',
      'front-proxy-ca.crt',
      'front-proxy-ca.key',
      'sa.key',
      'sa.pub',
    ])
  }

  async join(input: JoinInput): Promise<{ readonly ok: true } | { readonly ok: false; readonly refused: JoinRefusal }> {
    const refuse = (refused: JoinRefusal) => ({ ok: false as const, refused })
    if (bootstrapUser(this.api, input.token) === undefined) return refuse('unknown-token')
    if (input.caCertHashes.length > 0 && !input.caCertHashes.includes(this.caCertHash)) return refuse('wrong-ca-hash')
    if (input.controlPlane === undefined) {
      await this.#register(input.node, false)
      return { ok: true }
    }
    const known = this.#certificateKey
    if (
      known === undefined ||
      known.until <= this.#parts.clock.now() ||
      input.controlPlane.certificateKey !== known.key
    )
      return refuse('no-certificate-key')
    if (this.#members.some(({ learner }) => learner)) return refuse('etcd-learner-busy')
    const member = this.#member(input.node, true)
    this.#members.push(member)
    await this.#serve(input.node)
    await this.#parts.clock.sleep(LEARNER_MS)
    member.learner = false
    await this.#register(input.node, true)
    return { ok: true }
  }

  #member({ name, address }: NodeInfo, learner: boolean): Member {
    return { id: hex(this.#parts.random, 16), name, address, learner }
  }

  etcdMembers(): readonly Member[] {
    return this.#members
  }

  removeEtcdMember(id: string): boolean {
    const kept = this.#members.filter((member) => member.id !== id)
    const removed = kept.length < this.#members.length
    this.#members = kept
    return removed
  }

  kubelet(node: string, state: 'running' | 'stopped'): void {
    this.nodes.power(node, state)
    this.#announce()
  }

  upgrade(version: string): void {
    this.#version = withV(version)
    setVersion(this.api, version)
    for (const { controlPlane, info, uid } of this.nodes.kubelets.values())
      if (controlPlane && this.api.store.get(this.api.kind('v1', 'Node'), undefined, info.name)?.metadata.uid === uid)
        putStaticPods(this.api, info.name, version)
  }

  kubeletVersion(node: string, version: string): void {
    this.nodes.setKubeletVersion(node, version)
  }

  kubectl(
    argv: readonly string[],
    stdin: string,
  ): Promise<{ readonly exit: number; readonly stdout: string; readonly stderr: string }> {
    const outage = this.#outage()
    if (outage !== undefined) return Promise.resolve({ exit: 1, stdout: '', stderr: `Error from server: ${outage}\n` })
    return runKubectl({ api: this.api, clock: this.#parts.clock, version: this.#version }, argv, stdin)
  }

  /** SHA-256 of the CA certificate itself, for tests that compare what a client pinned. */
  get authorityFingerprint(): string {
    return createHash('sha256').update(new X509Certificate(this.#authority.pem).raw).digest('hex')
  }

  get authorityPem(): string {
    return this.#authority.pem
  }

  /** Loopback port of a running API server. */
  get loopbackPort(): number {
    const [first] = this.#running()
    const server = first === undefined ? undefined : this.#servers.get(first.name)
    if (server === undefined) throw new Error('no API server of this cluster is running')
    return server.port
  }

  async close(): Promise<void> {
    this.controllers.stop()
    const { lan } = this.#parts
    for (const { controlPlane, info } of this.nodes.kubelets.values())
      if (controlPlane) lan.unregister(info.address, API_PORT)
    await Promise.all([...this.#servers.values()].map((server) => server.close()))
  }
}

export const withPort = (endpoint: string): string => (/:\d+$/.test(endpoint) ? endpoint : `${endpoint}:${API_PORT}`)
