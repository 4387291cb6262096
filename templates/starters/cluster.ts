/** What a newcomer is asked before the first file is written; addresses and names of their network. */
export interface StarterAnswers {
  /** DNS label. */
  readonly name: string
  /** Name of the Proxmox connection in `runner.yaml`. */
  readonly connection: string
  /** Proxmox node. */
  readonly node: string
  readonly storage: string
  readonly bridge: string
  /** e.g. `10.4.0.1`. */
  readonly gateway: string
  /** First address of three in a row with its prefix, e.g. `10.4.0.11/24`. */
  readonly firstAddress: string
  /** First VM id of three in a row. */
  readonly firstId: number
  readonly engine: 'flux' | 'argocd' | 'fleet'
}

export const STARTER: StarterAnswers = {
  name: 'home',
  connection: 'lab',
  node: 'pve1',
  storage: 'local-lvm',
  bridge: 'vmbr0',
  gateway: '10.4.0.1',
  firstAddress: '10.4.0.11/24',
  firstId: 401,
  engine: 'flux',
}

/** Where the published schema is found, for editors. */
const SCHEMA_URL = 'https://slipway.dev/schema/v1alpha1/cluster.schema.json'

/** A `cluster.yaml` that plans as it is: one control plane and two workers. */
export function starterCluster(answers: StarterAnswers = STARTER): string {
  const [address = '', prefix = '24'] = answers.firstAddress.split('/')
  const octets = address.split('.')
  const worker = [...octets.slice(0, 3), String(Number(octets[3]) + 1)].join('.')
  return `# yaml-language-server: $schema=${SCHEMA_URL}
apiVersion: slipway.dev/v1alpha1
kind: Cluster
metadata: { name: ${answers.name} }
spec:
  kubernetes:
    distribution: kubeadm
    version: 1.36 # the newest patch that this Slipway knows
  network:
    pods: 10.244.0.0/16 # must overlap nothing else and cannot change later
    services: 10.96.0.0/16
    cni: { kind: flannel }
  providers:
    pve:
      kind: proxmox
      connection: ${answers.connection} # address and token are only in the runner's runner.yaml
      image: debian-13
      storage: ${answers.storage}
      bridge: ${answers.bridge}
      gateway: ${answers.gateway}
  machines:
    - name: cp-1
      role: control-plane
      provider: pve
      node: ${answers.node}
      id: ${answers.firstId}
      address: ${address}/${prefix}
      cores: 2
      memory: 4GiB
      disk: 40GiB
    - name: w-{1..2} # two machines; id and address count up
      role: worker
      provider: pve
      node: ${answers.node}
      id: ${answers.firstId + 1}..
      address: ${worker}../${prefix}
      cores: 4
      memory: 8GiB
      disk: 60GiB
  gitops: { engine: ${answers.engine} }
`
}
