import type { StarterAnswers } from '../../templates/starters/cluster.ts'

/** An example `runner.yaml` that allows exactly what the starter cluster needs. */
export function starterRunner(answers: StarterAnswers): string {
  const [address = ''] = answers.firstAddress.split('/')
  const [a, b, c, last = '0'] = address.split('.')
  const hosts = [0, 1, 2].map((step) => [a, b, c, Number(last) + step].join('.'))
  return `# How this machine reaches your network, and what Slipway may do there. Copy to runner.yaml, fill in, chmod 600.
# What is not allowed here is refused, whatever a repository or an app asks.
state: .slipway # keys, journal, kept output; never commit it
clusters: [${answers.name}]
connections:
  ${answers.connection}:
    kind: proxmox
    url: https://pve1.example:8006
    tokenFile: .slipway/proxmox-token # one line: USER@REALM!TOKENID=UUID, mode 0600
    tls:
      check: fingerprint # or: { check: ca, file: pve-root-ca.pem }, { check: system }
      sha256: '${Array.from({ length: 32 }, () => '00').join(':')}' # Proxmox: node → System → Certificates
allow:
  vmids: ['${answers.firstId}-${answers.firstId + 2}']
  nodes: [${answers.node}]
  storages: [${[...new Set([answers.storage, 'local'])].join(', ')}]
  bridges: [${answers.bridge}]
  hosts: [${hosts.join(', ')}]
  steps: all
  impact: reboot # the gravest that a step may have: nothing, live, restart, drain, reboot, replace, data-loss
  destroys: 0 # machines that one run may destroy
# tools: { helm: /usr/local/bin/helm } # only for Cilium and Fleet, whose charts it renders
`
}
