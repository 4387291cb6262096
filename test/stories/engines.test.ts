import { describe, expect, test } from 'vitest'
import { FILE, REPOSITORY, storySite } from './site.ts'

/** The starter with Cilium and everything that is asked of it here. */
const withCilium = (spec: string): string =>
  spec.replace(
    'cni: { kind: flannel }',
    `cni:
      kind: cilium
      encryption: wireguard
      loadBalancer: { announce: l2, addresses: [10.4.0.200-10.4.0.220] }
      gatewayApi: true
      hubble: { ui: true }`,
  )

const LEADING = {
  argocd: {
    object: ['applications.argoproj.io', 'argocd'],
    name: 'Argo CD',
    change: withCilium,
    ciliumConfig: {
      'enable-wireguard': 'true',
      'enable-gateway-api': 'true',
      'enable-hubble': 'true',
      'enable-l2-announcements': 'true',
    },
    definition: 'gateways.gateway.networking.k8s.io',
  },
  fleet: {
    object: ['gitrepos.fleet.cattle.io', 'fleet-local'],
    name: 'Fleet',
    change: (spec: string) => spec,
    ciliumConfig: {},
    definition: 'gitrepos.fleet.cattle.io',
  },
} as const

/** Flux is told by the life of a cluster. */
describe.each([
  ['argocd', 'github'],
  ['argocd', 'gitlab'],
  ['fleet', 'github'],
  ['fleet', 'gitlab'],
] as const)('a cluster that follows its repository with %s on %s', (engine, forge) => {
  test('is there after the merge, and nothing is left to do', async () => {
    await using site = await storySite({ engine, forge })
    const { object, name, change, ciliumConfig, definition } = LEADING[engine]
    const spec = change(site.spec)
    site.startRunner()
    const pull = await site.openPull({ [FILE]: spec })
    expect(await site.plan(pull)).toContain(`${name} follows main of the repository`)
    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    expect(await site.run(pull)).toContain('### `home`: done')
    const nodes = (await site.kubectl('get', 'nodes', '--no-headers')).split('\n')
    expect(nodes.map((line) => line.split(/\s+/).slice(0, 2))).toEqual([
      ['cp-1', 'Ready'],
      ['w-1', 'Ready'],
      ['w-2', 'Ready'],
    ])
    const [kind, namespace] = object
    expect(await site.kubectl('get', kind, '-n', namespace, '-o', 'name')).not.toBe('')
    await site.until('what the repository holds under apps/', async () =>
      (await site.kubectl('get', 'configmap', 'slipway-welcome', '-n', 'default', '-o', 'name')) === ''
        ? undefined
        : true,
    )
    const config = await site.kubectl('get', 'configmap', 'cilium-config', '-n', 'kube-system', '-o', 'json')
    expect(config === '' ? {} : (JSON.parse(config) as { readonly data: object }).data).toMatchObject(ciliumConfig)
    expect(await site.kubectl('get', 'crd', '-o', 'name')).toContain(definition)
    expect((await site.forge.deployKeys(REPOSITORY)).map(({ readOnly }) => readOnly)).not.toContain(false)
    expect(site.effects()).toEqual({ inits: 1, joins: 2, vmsMade: 3 })
    expect(await site.stepsLeft(spec)).toEqual([])
  })
})
