/** Machines of one range of names in a spec; it takes up to 256. */
const RANGE = 250

/** A cluster on Proxmox with this many machines, one of them the control plane, as a person would write it. */
export function clusterText(nodes: number): string {
  const ranges = Array.from({ length: Math.ceil((nodes - 1) / RANGE) }, (_, i) => {
    const count = Math.min(RANGE, nodes - 1 - i * RANGE)
    return `    - { name: 'w${i}-{1..${count}}', role: worker, provider: pve, node: pve1, id: ${1000 + i * RANGE}.., address: 10.4.${i + 1}.1../16, cores: 4, memory: 8GiB, disk: 60GiB }`
  })
  return `apiVersion: slipway.dev/v1alpha1
kind: Cluster
metadata: { name: home }
spec:
  kubernetes: { distribution: kubeadm, version: 1.36 }
  network:
    pods: 10.240.0.0/12
    services: 10.96.0.0/16
    cni: { kind: flannel }
  providers:
    pve: { kind: proxmox, connection: lab, image: debian-13, storage: local-lvm, bridge: vmbr0, gateway: 10.4.0.1 }
  machines:
    - { name: cp-1, role: control-plane, provider: pve, node: pve1, id: 400, address: 10.4.0.11/16, cores: 4, memory: 8GiB, disk: 40GiB }
${ranges.join('\n')}
  gitops: { engine: flux }
`
}
