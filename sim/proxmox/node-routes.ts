import { createHash } from 'node:crypto'
import { badParameters, failed, forbidden } from './answer.ts'
import { taskRow } from './cluster-routes.ts'
import { PARAMETER } from './route.ts'
import type { Call, Route } from './route.ts'
import { checkTarget, isFileStorage } from './storage.ts'
import type { Volume } from './storage.ts'
import { IMAGE_BYTES } from './world.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30
const DEFAULT_LOG_LINES = 50
const ALGORITHMS = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512']
const CONTENT = { type: 'string', values: ['iso', 'vztmpl', 'import'] } as const
const ALGORITHM = { type: 'string', optional: true, values: ALGORITHMS } as const

export const nodeRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/nodes',
    run: ({ world }) =>
      [...world.nodes.values()].map(({ node, cores, memoryMiB }) => ({
        node,
        id: `node/${node}`,
        type: 'node',
        status: 'online',
        level: '',
        maxcpu: cores,
        cpu: 0.02,
        maxmem: memoryMiB * MIB,
        mem: (memoryMiB - world.freeMemoryMiB(node)) * MIB,
        uptime: Math.floor((world.clock.now() - world.bootedAt) / 1_000),
      })),
  },
  { method: 'GET', path: '/nodes/{node}/status', needs: ['/nodes/{node}', 'Sys.Audit'], run: nodeStatus },
  {
    method: 'GET',
    path: '/nodes/{node}/time',
    needs: ['/nodes/{node}', 'Sys.Audit'],
    run: ({ world }) => {
      const time = Math.floor(world.clock.now() / 1_000)
      return { time, localtime: time, timezone: 'UTC' }
    },
  },
  {
    method: 'GET',
    path: '/nodes/{node}/network',
    parameters: { type: PARAMETER.optionalText },
    run: ({ world, params }) => {
      const bridges = world.node(String(params['node'])).bridges.map((iface) => ({
        iface,
        type: 'bridge',
        method: 'manual',
        method6: 'manual',
        families: ['inet'],
        active: 1,
        autostart: 1,
        bridge_ports: 'eno1',
        priority: 4,
      }))
      const eth = {
        iface: 'eno1',
        type: 'eth',
        method: 'manual',
        method6: 'manual',
        families: ['inet'],
        active: 1,
        exists: 1,
      }
      const type = params['type']
      if (type === undefined) return [{ ...eth, priority: 3 }, ...bridges]
      return /bridge/.test(String(type)) ? bridges : type === 'eth' ? [{ ...eth, priority: 3 }] : []
    },
  },
  {
    method: 'GET',
    path: '/nodes/{node}/hardware/pci',
    needs: ['/', 'Sys.Audit', 'Sys.Modify'],
    parameters: { 'pci-class-blacklist': PARAMETER.optionalText, verbose: PARAMETER.flag },
    run: ({ world, params }) =>
      (world.node(String(params['node'])).pci ?? []).map(({ vendorName, deviceName, ...device }) => ({
        ...device,
        ...(vendorName !== undefined && { vendor_name: vendorName }),
        ...(deviceName !== undefined && { device_name: deviceName }),
      })),
  },
  {
    method: 'GET',
    path: '/nodes/{node}/storage',
    parameters: {
      content: PARAMETER.optionalText,
      enabled: PARAMETER.flag,
      format: PARAMETER.flag,
      storage: PARAMETER.optionalText,
      target: PARAMETER.optionalText,
    },
    run: ({ world, access, params }) =>
      world.storages.specs
        .filter(({ storage }) => params['storage'] === undefined || storage === params['storage'])
        .filter(({ content }) => params['content'] === undefined || content.includes(String(params['content'])))
        .filter(({ storage }) => access.may(`/storage/${storage}`, ['Datastore.Audit', 'Datastore.AllocateSpace']))
        .map(({ storage }) => {
          const status = world.storages.status(world.node(String(params['node'])).node, storage)
          return { storage, ...status, used_fraction: Number(status['used']) / Number(status['total']) }
        }),
  },
  {
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}/status',
    needs: ['/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace'],
    run: ({ world, params }) =>
      world.storages.status(world.node(String(params['node'])).node, String(params['storage'])),
  },
  {
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}/content',
    needs: ['/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace'],
    parameters: { content: PARAMETER.optionalText, vmid: PARAMETER.optionalVmid },
    run: ({ world, params }) => {
      world.storages.spec(String(params['storage']))
      return world.storages
        .volumes(world.node(String(params['node'])).node, String(params['storage']))
        .filter(({ content }) => params['content'] === undefined || content === params['content'])
        .filter(({ vmid }) => params['vmid'] === undefined || vmid === params['vmid'])
        .map(({ volid, content, format, sizeBytes, ctime, vmid, parent }) => ({
          volid,
          content,
          format,
          size: sizeBytes,
          ctime,
          ...(vmid !== undefined && { vmid }),
          ...(parent !== undefined && { parent }),
        }))
    },
  },
  { method: 'GET', path: '/nodes/{node}/storage/{storage}/content/{volume}', run: volumeFacts },
  {
    method: 'DELETE',
    path: '/nodes/{node}/storage/{storage}/content/{volume}',
    parameters: { delay: { type: 'integer', min: 1, max: 30, optional: true } },
    run: deleteVolume,
  },
  {
    method: 'POST',
    path: '/nodes/{node}/storage/{storage}/download-url',
    needs: ['/storage/{storage}', 'Datastore.AllocateTemplate'],
    parameters: {
      url: { type: 'string', pattern: /^https?:\/\/.*/ },
      content: CONTENT,
      filename: PARAMETER.text,
      checksum: PARAMETER.optionalText,
      'checksum-algorithm': ALGORITHM,
      compression: PARAMETER.optionalText,
      'verify-certificates': PARAMETER.flag,
    },
    run: downloadUrl,
  },
  {
    method: 'POST',
    path: '/nodes/{node}/storage/{storage}/upload',
    needs: ['/storage/{storage}', 'Datastore.AllocateTemplate'],
    parameters: {
      content: CONTENT,
      filename: PARAMETER.text,
      checksum: PARAMETER.optionalText,
      'checksum-algorithm': ALGORITHM,
    },
    run: upload,
  },
  {
    method: 'GET',
    path: '/nodes/{node}/tasks',
    parameters: {
      errors: PARAMETER.flag,
      limit: PARAMETER.count,
      since: PARAMETER.count,
      source: { type: 'string', optional: true, values: ['archive', 'active', 'all'] },
      start: PARAMETER.count,
      statusfilter: PARAMETER.optionalText,
      typefilter: PARAMETER.optionalText,
      until: PARAMETER.count,
      userfilter: PARAMETER.optionalText,
      vmid: PARAMETER.optionalVmid,
    },
    run: nodeTasks,
  },
  {
    method: 'GET',
    path: '/nodes/{node}/tasks/{upid}/status',
    run: ({ world, params }) => {
      const { log: _log, exitstatus, endtime: _endtime, ...task } = world.tasks.get(String(params['upid']))
      return exitstatus === undefined ? { ...task, status: 'running' } : { ...task, status: 'stopped', exitstatus }
    },
  },
  {
    method: 'GET',
    path: '/nodes/{node}/tasks/{upid}/log',
    parameters: { start: PARAMETER.count, limit: PARAMETER.count, download: PARAMETER.flag },
    run: ({ world, params }) => {
      const { log } = world.tasks.get(String(params['upid']))
      const start = Number(params['start'] ?? 0)
      const limit = Number(params['limit'] ?? DEFAULT_LOG_LINES)
      const lines = log.map((line, at) => ({ n: at + 1, t: line }))
      return lines.length === 0
        ? [{ n: 1, t: 'no content' }]
        : lines.slice(start, limit === 0 ? undefined : start + limit)
    },
  },
  {
    method: 'DELETE',
    path: '/nodes/{node}/tasks/{upid}',
    run: ({ world, params }) => {
      world.tasks.stop(String(params['upid']))
      return null
    },
  },
]

function nodeStatus({ world, params }: Call): Record<string, unknown> {
  const { node, cores, memoryMiB } = world.node(String(params['node']))
  const total = memoryMiB * MIB
  const free = world.freeMemoryMiB(node) * MIB
  return {
    cpu: 0.02,
    cpuinfo: {
      cores,
      cpus: cores,
      sockets: 1,
      model: 'Simulated x86-64 CPU',
      mhz: '3000.000',
      hvm: '1',
      flags: 'svm vmx',
    },
    memory: { total, used: total - free, free, available: free },
    rootfs: { total: 100 * GIB, used: 5 * GIB, free: 95 * GIB, avail: 95 * GIB },
    loadavg: ['0.10', '0.08', '0.05'],
    pveversion: `pve-manager/${world.version}/0123456789abcdef`,
    'current-kernel': { sysname: 'Linux', release: '6.17.2-1-pve', version: '#1 SMP', machine: 'x86_64' },
    'boot-info': { mode: 'efi', secureboot: 0 },
    kversion: 'Linux 6.17.2-1-pve',
    uptime: Math.floor((world.clock.now() - world.bootedAt) / 1_000),
  }
}

/** A volume is named with or without its storage. */
function findVolume({ world, params }: Call): { readonly volid: string; readonly volume: Volume | undefined } {
  const given = String(params['volume'])
  const volid = given.includes(':') ? given : `${params['storage']}:${given}`
  return { volid, volume: world.storages.find(world.node(String(params['node'])).node, volid) }
}

function volumeFacts(call: Call): Record<string, unknown> {
  const { volid, volume } = findVolume(call)
  if (!call.access.may(`/storage/${call.params['storage']}`, ['Datastore.Audit', 'Datastore.AllocateSpace'])) {
    throw forbidden(`/storage/${call.params['storage']}`, ['Datastore.Audit', 'Datastore.AllocateSpace'])
  }
  if (volume === undefined) throw failed(`volume_size_info on '${volid}' failed - no such volume`)
  const path = `/var/lib/vz/${volid.slice(volid.indexOf(':') + 1)}`
  return { path, size: volume.sizeBytes, used: volume.sizeBytes, format: volume.format }
}

function deleteVolume(call: Call): string {
  const { world, access, params, user } = call
  const { volid, volume } = findVolume(call)
  const storage = String(params['storage'])
  if (!access.may(`/storage/${storage}`, ['Datastore.Allocate']))
    throw forbidden(`/storage/${storage}`, ['Datastore.Allocate'])
  if (volume?.vmid !== undefined && world.vms.has(volume.vmid)) {
    throw failed(`Cannot remove image, a guest with VMID '${volume.vmid}' exists!`)
  }
  return world.tasks.start(String(params['node']), 'imgdel', volid, user, async () => {
    if (volume === undefined) throw new Error(`volume '${volid}' does not exist`)
    world.storages.remove(volume)
  })
}

/** Both halves of a checksum, or none. */
function expectedChecksum(
  params: Call['params'],
): { readonly algorithm: string; readonly checksum: string } | undefined {
  const { checksum, 'checksum-algorithm': algorithm } = params
  if (checksum === undefined && algorithm === undefined) return undefined
  if (checksum === undefined)
    throw badParameters({ 'checksum-algorithm': "missing property - 'checksum' requires this property" })
  if (algorithm === undefined)
    throw badParameters({ checksum: "missing property - 'checksum-algorithm' requires this property" })
  return { algorithm: String(algorithm), checksum: String(checksum).toLowerCase() }
}

function downloadUrl({ world, access, params, user }: Call): string {
  const node = world.node(String(params['node'])).node
  if (!access.may(`/nodes/${node}`, ['Sys.AccessNetwork']) && !access.may('/', ['Sys.Modify'])) {
    throw forbidden(`/nodes/${node}`, ['Sys.AccessNetwork'])
  }
  const [url, filename, content] = [String(params['url']), String(params['filename']), String(params['content'])]
  const spec = world.storages.spec(String(params['storage']))
  checkTarget(spec, content, filename)
  const expected = expectedChecksum(params)
  const volid = `${spec.storage}:${content}/${filename}`
  return world.tasks.start(node, 'download', filename, user, async (log) => {
    const path = `/var/lib/vz/${isFileStorage(spec.type) ? content : ''}/${filename}`
    const earlier = world.storages.find(node, volid)
    if (earlier !== undefined) {
      if (expected === undefined) throw new Error(`refusing to override existing file '${path}'`)
      const actual = earlier.checksums?.[expected.algorithm]
      if (actual !== expected.checksum) {
        throw new Error(`checksum mismatch: got '${actual}' != expect '${expected.checksum}', aborting`)
      }
      return log('OK, got correct file already, no need to download')
    }
    log(`downloading ${url} to ${path}`)
    const found = world.downloads(url)
    if (found === undefined) throw new Error(`download failed: ${url}: ERROR 404: Not Found.`)
    await world.clock.sleep(world.durations.download)
    const actual = expected === undefined ? undefined : (found.checksums[expected.algorithm] ?? expected.checksum)
    if (expected !== undefined && actual !== expected.checksum) {
      throw new Error(`checksum mismatch: got '${actual}' != expect '${expected.checksum}'`)
    }
    const checksums =
      expected === undefined ? found.checksums : { ...found.checksums, [expected.algorithm]: expected.checksum }
    world.addImage(node, spec.storage, filename, { sizeBytes: found.sizeBytes, checksums })
    log(`download of '${url}' to '${path}' finished`)
  })
}

function upload({ world, params, user, file }: Call): string {
  const node = world.node(String(params['node'])).node
  const filename = String(params['filename'])
  const spec = world.storages.spec(String(params['storage']))
  checkTarget(spec, String(params['content']), filename)
  if (file === undefined) throw badParameters({ filename: 'no file in upload' })
  const expected = expectedChecksum(params)
  return world.tasks.start(node, 'imgcopy', '', user, async (log) => {
    await world.clock.sleep(world.durations.upload)
    const digest = (algorithm: string) => createHash(algorithm).update(file.bytes).digest('hex')
    if (expected !== undefined && digest(expected.algorithm) !== expected.checksum) {
      throw new Error(`checksum mismatch: got '${digest(expected.algorithm)}' != expect '${expected.checksum}'`)
    }
    const checksums = Object.fromEntries(['sha256', 'sha512'].map((algorithm) => [algorithm, digest(algorithm)]))
    const sizeBytes = virtualSize(file.bytes) ?? (params['content'] === 'iso' ? file.bytes.length : IMAGE_BYTES)
    world.addImage(node, spec.storage, filename, { sizeBytes, checksums })
    log(`finished file import successfully`)
  })
}

/** Virtual size in the header of a QCOW2 file (https://www.qemu.org/docs/master/interop/qcow2.html). */
function virtualSize(bytes: Uint8Array): number | undefined {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return header.length >= 32 && header.readUInt32BE(0) === 0x51_46_49_fb
    ? Number(header.readBigUInt64BE(24))
    : undefined
}

function nodeTasks({ world, params }: Call): readonly Record<string, unknown>[] {
  const node = world.node(String(params['node'])).node
  const source = params['source'] ?? 'archive'
  const start = Number(params['start'] ?? 0)
  return world.tasks
    .all()
    .filter((task) => task.node === node)
    .filter(({ exitstatus }) => source === 'all' || (exitstatus === undefined) === (source === 'active'))
    .filter(({ id }) => params['vmid'] === undefined || id === String(params['vmid']))
    .filter(({ type }) => params['typefilter'] === undefined || type === params['typefilter'])
    .filter(({ user }) => params['userfilter'] === undefined || user.includes(String(params['userfilter'])))
    .filter(({ starttime }) => starttime >= Number(params['since'] ?? 0))
    .filter(({ starttime }) => params['until'] === undefined || starttime <= Number(params['until']))
    .filter(({ exitstatus }) => params['errors'] !== 1 || (exitstatus !== undefined && exitstatus !== 'OK'))
    .slice(start, start + Number(params['limit'] ?? DEFAULT_LOG_LINES))
    .map((task) => taskRow(task))
}
