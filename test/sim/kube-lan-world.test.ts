import { expect, test } from 'vitest'
import { simWorld } from '../../sim/lan-world/world.ts'
import { serveControl } from '../../sim/lan-world/control.ts'
import { TOKEN, clusterInit, flannel, node } from './kube-fixture.ts'
import { PREPARE } from './ssh/fake-kube.ts'

test('a site has a proxy, a mirror, hosts, a hypervisor, and clusters that answer through the proxy table', async () => {
  await using site = await simWorld({
    speed: 200,
    seed: 7,
    bareHosts: [{ name: 'cp-1', address: '10.4.0.11', sshKeys: [] }],
  })
  expect(site.hosts.names()).toEqual(['cp-1'])
  expect(site.lan.targets()).toEqual(expect.arrayContaining(['10.4.0.11:22', '10.4.0.5:80']))
  expect(site.proxmox.url).toMatch(/^https:\/\/127\.0\.0\.1:/)
  const cluster = await site.kube.init(clusterInit({ node: node('cp-1', '10.4.0.11') }))
  expect(site.lan.targets()).toContain('10.4.0.11:6443')
  expect(site.kube.clusterAt('10.4.0.11:6443')).toBe(cluster)
})

test('kubeadm on simulated hosts makes a cluster, and a node can leave, come back and lose power', async () => {
  const hosts = { 'cp-1': '10.4.0.11', 'cp-2': '10.4.0.12', 'w-1': '10.4.0.21' }
  await using site = await simWorld({
    speed: 500,
    seed: 7,
    bareHosts: Object.entries(hosts).map(([name, address]) => ({ name, address, sshKeys: [] })),
  })
  const run = async (host: string, command: string, stdin = '') => {
    const answer = await site.hosts.runAsRoot(host, command, stdin)
    expect(answer.exit, `${command}\n${answer.stdout}${answer.stderr}`).toBe(0)
    return answer.stdout
  }
  const kubectl = (line: string, stdin = '') =>
    run('cp-1', `kubectl --kubeconfig /etc/kubernetes/admin.conf ${line}`, stdin)
  const allReady = () => kubectl('wait --for=condition=Ready node --all --timeout=300s')
  for (const host of Object.keys(hosts)) await run(host, 'bash -s', PREPARE)
  const key = 'ab'.repeat(32)
  await run(
    'cp-1',
    `kubeadm init --kubernetes-version v1.36.3 --control-plane-endpoint 10.4.0.10:6443 --token ${TOKEN} --upload-certs --certificate-key ${key} --pod-network-cidr 10.244.0.0/16`,
  )
  const join = `kubeadm join 10.4.0.10:6443 --token ${TOKEN} --discovery-token-unsafe-skip-ca-verification`
  await run('w-1', join)
  await run('cp-2', `${join} --control-plane --certificate-key ${key}`)
  await kubectl('create namespace kube-flannel')
  await kubectl('apply -f -', JSON.stringify(flannel()))
  await allReady()
  await kubectl('drain w-1 --ignore-daemonsets --timeout=60s')
  await kubectl('delete node w-1')
  await run('w-1', 'kubeadm reset -f')
  expect(await kubectl('get nodes -o name')).toBe('node/cp-1\nnode/cp-2\n')
  await run('w-1', join)
  await allReady()
  await site.hosts.crash('w-1')
  await kubectl('wait --for=condition=Ready=Unknown node/w-1 --timeout=300s')
  await site.hosts.start('w-1')
  await allReady()
  expect(site.kube.clusters[0]?.etcdMembers().map(({ name }) => name)).toEqual(['cp-1', 'cp-2'])
})

test('the control port looks at the world and breaks it', async () => {
  await using site = await simWorld({ speed: 200, seed: 7 })
  const control = await serveControl(site)
  await site.kube.init(clusterInit())
  const call = async (body: unknown) =>
    (await fetch(control.url, { method: 'POST', body: JSON.stringify(body) })).json() as Promise<{
      result?: unknown
      error?: string
    }>
  const nodes = await call({ call: 'kubectl', endpoint: '10.4.0.11:6443', argv: ['get', 'nodes', '-o', 'name'] })
  expect(nodes).toEqual({ result: { exit: 0, stdout: 'node/cp-1\n', stderr: '' } })
  const overview = await call({ call: 'overview' })
  expect(overview.result).toMatchObject({
    clusters: [{ endpoint: '10.4.0.10:6443', version: 'v1.36.3', nodes: ['cp-1'] }],
  })
  expect((await call({ call: 'crash', host: 'none' })).error).toContain('none')
  await control.close()
})
