import type { SimHost } from '../host.ts'
import type { Answer } from '../program.ts'
import { err, out } from '../program.ts'

/** Raft term and sizes are those of a small, calm cluster. */
const CLUSTER_ID = '5023442599383484787'
const ETCD_VERSION = '3.6.8'

/** `etcdctl` against the cluster of which this host is a control plane. */
export function etcdctl(host: SimHost, argv: readonly string[]): Answer {
  const words: string[] = []
  let json = false
  for (let n = 0; n < argv.length; n++) {
    const word = argv[n]!
    if (/^--(endpoints|cacert|cert|key|command-timeout|dial-timeout)$/.test(word)) n += 1
    else if (word === '-w' || word === '--write-out') json = argv[++n] === 'json'
    else if (word === '-wjson' || word === '--write-out=json') json = true
    else if (!word.startsWith('--')) words.push(word)
  }
  const { node } = host
  if (node === undefined || !node.controlPlane || !host.kubeletHealthy())
    return err(
      '{"level":"warn","msg":"retrying of unary invoker failed","error":"rpc error: code = DeadlineExceeded desc = latest balancer error: connection error: desc = \\"transport: Error while dialing: dial tcp 127.0.0.1:2379: connect: connection refused\\""}\nError: context deadline exceeded\n',
    )
  const members = node.cluster.etcdMembers()
  // Member ids are 64 bits and would lose digits as numbers.
  const decimal = (id: string): string => BigInt(`0x${id.replace(/^0x/, '')}`).toString()
  const own = members.find(({ name }) => name === node.nodeName) ?? members[0]
  const header = `"cluster_id":${CLUSTER_ID},"member_id":${own === undefined ? '0' : decimal(own.id)}`
  const url = (address: string, port: number): string =>
    `https://${address.includes('://') ? new URL(address).hostname : address}:${port}`
  switch (words.slice(0, 2).join(' ')) {
    case 'member list': {
      if (!json)
        return out(
          members
            .map(
              ({ id, name, address, learner }) =>
                `${id}, started, ${name}, ${url(address, 2380)}, ${url(address, 2379)}, ${learner}\n`,
            )
            .join(''),
        )
      const list = members.map(
        ({ id, name, address, learner }) =>
          `{"ID":${decimal(id)},"name":"${name}","peerURLs":["${url(address, 2380)}"],"clientURLs":["${url(address, 2379)}"]${learner ? ',"isLearner":true' : ''}}`,
      )
      return out(`{"header":{${header},"raft_term":2},"members":[${list.join(',')}]}\n`)
    }
    case 'member remove': {
      const asked = words[2] ?? ''
      const found = members.find(({ id }) => id === asked || decimal(id) === asked)
      if (found === undefined || !node.cluster.removeEtcdMember(found.id))
        return err('Error: etcdserver: member not found\n')
      host.mutated(`etcdctl member remove ${found.name}`)
      return out(`Member ${found.id} removed from cluster 45b6dc4d3ddd0b73\n`)
    }
    case 'endpoint health':
      return json
        ? out('[{"endpoint":"https://127.0.0.1:2379","health":true,"took":"6.004596ms"}]\n')
        : out('https://127.0.0.1:2379 is healthy: successfully committed proposal: took = 6.004596ms\n')
    case 'endpoint status': {
      const leader = members[0] === undefined ? '0' : decimal(members[0].id)
      return out(
        `[{"Endpoint":"https://127.0.0.1:2379","Status":{"header":{${header},"revision":2110,"raft_term":2},"version":"${ETCD_VERSION}","dbSize":3051520,"leader":${leader},"raftIndex":2461,"raftTerm":2,"raftAppliedIndex":2461,"dbSizeInUse":1871872,"storageVersion":"3.6.0","dbSizeQuota":2147483648,"downgradeInfo":{}}}]\n`,
      )
    }
    case 'alarm list':
      return out()
    case 'snapshot save': {
      const path = words[2] ?? ''
      host.disk.put(path, `etcd snapshot of ${node.nodeName}\n`, 0o600)
      host.mutated(`etcdctl snapshot save ${path}`)
      return out(`Snapshot saved at ${path}\n`)
    }
    default:
      return words[0] === 'version'
        ? out(`etcdctl version: ${ETCD_VERSION}\nAPI version: 3.6\n`)
        : err(`Error: unknown command "${words.join(' ')}" for "etcdctl"\n`)
  }
}
