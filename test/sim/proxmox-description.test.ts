import { existsSync, readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { memoryMachines } from '../../sim/proxmox/memory-machines.ts'
import { simProxmox } from '../../sim/proxmox/proxmox.ts'
import type { Exchange } from '../../sim/proxmox/proxmox.ts'
import { caller, ended, fastClock, IMAGE, send, vmParams } from './proxmox-call.ts'

/** The API description of Proxmox VE 9.1, as published for its API viewer. */
const DESCRIPTION = new URL('../../../shared/schemas/proxmox/pve-endpoints.json', import.meta.url)

interface Schema {
  readonly type?: string
  readonly optional?: boolean
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly enum?: readonly unknown[] | null
  readonly pattern?: string
  /** Some are given as text. */
  readonly minimum?: number | string
  readonly maximum?: number | string
  readonly maxLength?: number
}

interface Endpoint {
  readonly path: string
  readonly method: string
  readonly parameters: Schema
  readonly returns: Schema
}

/** Proxmox VE's own schema dialect as JSON Schema: `optional`, `key[n]`, booleans as 0 and 1, numbers as text in forms. */
function jsonSchema(schema: Schema): Record<string, unknown> {
  const { type, properties, items, additionalProperties } = schema
  if (type === 'boolean') return { enum: [0, 1, '0', '1', true, false] }
  if (type === 'integer' || type === 'number') {
    const { minimum, maximum } = schema
    const bounds = {
      ...(minimum !== undefined && { minimum: Number(minimum) }),
      ...(maximum !== undefined && { maximum: Number(maximum) }),
    }
    const text = { type: 'string', pattern: type === 'integer' ? '^-?\\d+$' : '^-?\\d+(\\.\\d+)?$' }
    return { anyOf: [{ type, ...bounds }, text] }
  }
  if (type === 'null') return { type: 'null' }
  if (type === 'array') return { type: 'array', ...(items !== undefined && { items: jsonSchema(items) }) }
  if (type === 'object' || properties !== undefined || additionalProperties === false) {
    const all = Object.entries(properties ?? {})
    const numbered = all.filter(([name]) => name.includes('[n]'))
    const plain = all.filter(([name]) => !name.includes('[n]'))
    return {
      type: 'object',
      properties: Object.fromEntries(plain.map(([name, value]) => [name, jsonSchema(value)])),
      patternProperties: Object.fromEntries(
        numbered.map(([name, value]) => [`^${name.replace('[n]', '\\d+')}$`, jsonSchema(value)]),
      ),
      required: plain.filter(([, value]) => value.optional !== true).map(([name]) => name),
      additionalProperties: additionalProperties !== false,
    }
  }
  const { pattern, maxLength } = schema
  const values = Array.isArray(schema.enum) ? { enum: [...schema.enum] } : {}
  const perl = pattern?.includes('(?^') === true
  return {
    type: values.enum === undefined ? ['string', 'number'] : 'string',
    ...values,
    ...(pattern !== undefined && !perl && { pattern: `^(?:${pattern})$` }),
    ...(maxLength !== undefined && { maxLength }),
  }
}

/** What the description says against an exchange; empty when it says nothing. */
function problemsOf(endpoints: readonly Endpoint[], exchange: Exchange): readonly string[] {
  const { method, route, params, data } = exchange
  const endpoint = endpoints.find((one) => one.method === method && one.path === route)
  if (endpoint === undefined) return [`${method} ${route} is not in the description`]
  const ajv = new Ajv({ strict: false, allErrors: true })
  const check = (what: string, schema: Schema, value: unknown) => {
    const validate = ajv.compile(jsonSchema(schema))
    if (validate(value)) return []
    return [`${method} ${route} ${what}: ${ajv.errorsText(validate.errors)}`]
  }
  return [...check('request', endpoint.parameters, params), ...check('answer', endpoint.returns, data)]
}

if (process.env['CI'] !== undefined && !existsSync(DESCRIPTION)) throw new Error(`${DESCRIPTION.pathname} is missing`)

describe.skipIf(!existsSync(DESCRIPTION))('against the published API description (skipped where it is absent)', () => {
  test('every route is one of Proxmox VE, and every request and answer of a full life fits', async () => {
    const endpoints = (JSON.parse(readFileSync(DESCRIPTION, 'utf8')) as { endpoints: Endpoint[] }).endpoints
    const exchanges: Exchange[] = []
    const clock = fastClock()
    await using pve = await simProxmox({
      clock,
      images: [`local:import/${IMAGE}`],
      machines: memoryMachines(clock, () => true),
      nodes: [
        {
          node: 'pve1',
          cores: 16,
          memoryMiB: 65_536,
          bridges: ['vmbr0'],
          pci: [
            {
              id: '0000:01:00.0',
              class: '0x030000',
              vendor: '0x10de',
              device: '0x1c03',
              iommugroup: 1,
              vendorName: 'NVIDIA',
            },
          ],
        },
        { node: 'pve2', cores: 8, memoryMiB: 32_768, bridges: ['vmbr0'] },
      ],
      mappings: [{ id: 'gpu', map: ['node=pve1,path=0000:01:00,id=10de:1c03,iommugroup=1'] }],
      observe: (exchange) => exchanges.push(exchange),
    })
    const call = caller(pve)
    const run = async (method: string, path: string, params?: Record<string, unknown>) => {
      const { data } = await call(method, path, params)
      expect(await ended(call, data)).toBe('OK')
    }
    const vm = '/nodes/pve1/qemu/401'
    const storage = '/nodes/pve1/storage/local'
    await run('POST', `${storage}/download-url`, {
      url: 'https://images.example/x.qcow2',
      content: 'import',
      filename: 'x.qcow2',
      checksum: 'ab'.repeat(32),
      'checksum-algorithm': 'sha256',
      'verify-certificates': 1,
    })
    const body =
      '--b\r\nContent-Disposition: form-data; name="content"\r\n\r\niso\r\n--b\r\nContent-Disposition: form-data; name="filename"; filename="a.iso"\r\n\r\nx\r\n--b--\r\n'
    const uploaded = await send(pve, 'POST', `${storage}/upload`, body, 'multipart/form-data; boundary=b')
    expect(await ended(call, uploaded.data)).toBe('OK')
    await run('POST', '/nodes/pve1/qemu', { ...vmParams(401, 'cp-1', '10.4.0.11'), hostpci0: 'mapping=gpu,pcie=1' })
    await run('POST', '/nodes/pve1/qemu', vmParams(9_000, 'template', '10.4.0.9'))
    await run('POST', `${vm}/config`, { cores: 2, net1: 'virtio,bridge=vmbr0', delete: 'searchdomain' })
    await call('PUT', `${vm}/config`, { onboot: 0 })
    await run('PUT', `${vm}/resize`, { disk: 'scsi0', size: '+8G' })
    await call('PUT', `${vm}/cloudinit`)
    await run('POST', '/nodes/pve1/qemu/9000/template')
    await run('POST', '/nodes/pve1/qemu/9000/clone', {
      newid: 402,
      name: 'w-1',
      full: 0,
      pool: 'slipway',
      description: 'x',
    })
    await run('POST', `${vm}/status/start`, { timeout: 60 })
    await run('POST', `${vm}/config`, { memory: 4_096 })
    for (const path of [
      '/version',
      '/access/permissions',
      '/cluster/status',
      '/cluster/resources',
      '/cluster/tasks',
      '/cluster/nextid',
      '/cluster/nextid?vmid=555',
      '/cluster/mapping/pci',
      '/pools',
      '/pools?poolid=slipway',
      '/storage',
      '/storage/local',
      '/nodes',
      '/nodes/pve1/status',
      '/nodes/pve1/time',
      '/nodes/pve1/network',
      '/nodes/pve1/network?type=any_bridge',
      '/nodes/pve1/hardware/pci',
      '/nodes/pve1/storage',
      '/nodes/pve1/storage?content=images',
      `${storage}/status`,
      `${storage}/content`,
      '/nodes/pve1/storage/local-lvm/content?vmid=401',
      `${storage}/content/local:import/x.qcow2`,
      '/nodes/pve1/qemu',
      `${vm}/config`,
      `${vm}/pending`,
      `${vm}/status/current`,
      '/nodes/pve1/tasks?source=all&limit=5',
      `/nodes/pve1/tasks/${encodeURIComponent(pve.control.tasks()[0]?.upid ?? '')}/log?start=0&limit=500`,
    ]) {
      expect(await call('GET', path)).toMatchObject({ status: 200 })
    }
    while ((await call('GET', `${vm}/agent/network-get-interfaces`)).status !== 200) await clock.sleep(1_000)
    await run('POST', `${vm}/status/reboot`, { timeout: 30 })
    await run('POST', `${vm}/status/shutdown`, { timeout: 120, forceStop: 1 })
    await run('POST', `${vm}/status/stop`, { 'overrule-shutdown': 1 })
    await run('DELETE', vm, { purge: 1, 'destroy-unreferenced-disks': 1 })
    await run('DELETE', `${storage}/content/local:import/x.qcow2`)
    await call('DELETE', `/nodes/pve1/tasks/${encodeURIComponent(pve.control.tasks()[0]?.upid ?? '')}`)

    const good = exchanges.filter(({ status }) => status === 200)
    expect(new Set(good.flatMap((exchange) => problemsOf(endpoints, exchange)))).toEqual(new Set())
    const seen = new Set(good.map(({ method, route }) => `${method} ${route}`))
    expect(pve.routes.map(({ method, path }) => `${method} ${path}`).filter((route) => !seen.has(route))).toEqual([])
  })

  test('the comparison itself finds what does not fit', () => {
    const endpoints = (JSON.parse(readFileSync(DESCRIPTION, 'utf8')) as { endpoints: Endpoint[] }).endpoints
    const exchange = { method: 'GET', route: '/nodes', path: '/nodes', status: 200 }
    expect(problemsOf(endpoints, { ...exchange, params: { colour: 1 }, data: [] })).toHaveLength(1)
    expect(problemsOf(endpoints, { ...exchange, params: {}, data: [{ node: 'pve1', status: 'sleepy' }] })).toHaveLength(
      1,
    )
    expect(problemsOf(endpoints, { ...exchange, route: '/nowhere', params: {}, data: [] })).toHaveLength(1)
  })

  test('every parameter of a route is one that Proxmox VE knows there', async () => {
    const endpoints = (JSON.parse(readFileSync(DESCRIPTION, 'utf8')) as { endpoints: Endpoint[] }).endpoints
    await using pve = await simProxmox()
    const unknown = pve.routes.flatMap(({ method, path, parameters }) => {
      const endpoint = endpoints.find((one) => one.method === method && one.path === path)
      return parameters
        .filter((name) => endpoint?.parameters.properties?.[name] === undefined)
        .map((name) => `${method} ${path} ${name}`)
    })
    expect(unknown).toEqual([])
  })
})
