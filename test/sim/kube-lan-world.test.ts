import { expect, test } from 'vitest'
import { simWorld } from '../../sim/lan-world/world.ts'
import { serveControl } from '../../sim/lan-world/control.ts'
import { clusterInit, node } from './kube-fixture.ts'

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
