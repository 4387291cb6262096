import { once } from 'node:events'
import { connect } from 'node:tls'
import { describe, expect, test } from 'vitest'
import type { Machines, MachineSpec } from '../../sim/machine.ts'
import { machinesOver, serveMachines } from '../../sim/machines-http.ts'
import { memoryMachines } from '../../sim/proxmox/memory-machines.ts'
import { simProxmox } from '../../sim/proxmox/proxmox.ts'
import type { SimProxmoxOptions } from '../../sim/proxmox/proxmox.ts'
import { DURATIONS } from '../../sim/proxmox/world.ts'
import { caller, ended, fastClock, IMAGE, KEY, send, vmParams } from './proxmox-call.ts'

const start = (options: SimProxmoxOptions = {}) =>
  simProxmox({ clock: fastClock(), images: [`local:import/${IMAGE}`, 'local:iso/seed.iso'], ...options })

/** Remembers what the hypervisor asked for. */
function recordedMachines(): Machines & { readonly asked: readonly (readonly [string, MachineSpec | string])[] } {
  const asked: (readonly [string, MachineSpec | string])[] = []
  return {
    asked,
    powerOn: async (machine) => void asked.push(['on', machine]),
    powerOff: async (id, how) => void asked.push([how, id]),
    destroy: async (id) => void asked.push(['destroy', id]),
    interfaces: async () => undefined,
  }
}

describe('a simulated Proxmox VE', () => {
  test('creates a VM from an image, grows it, starts it, stops it and takes it away', async () => {
    const machines = recordedMachines()
    const clock = fastClock()
    await using pve = await start({ clock, machines })
    const call = caller(pve)
    const release = clock.hold(DURATIONS.importDisk)
    const created = await call('POST', '/nodes/pve1/qemu', vmParams(401, 'cp-1', '10.4.0.11'))
    expect(created.data).toMatch(/^UPID:pve1:[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:qmcreate:401:slipway@pve!runner:$/)
    expect((await call('GET', '/nodes/pve1/qemu/401/config')).data).toMatchObject({ lock: 'create' })
    release()
    expect(await ended(call, created.data)).toBe('OK')

    const { data: config } = await call('GET', '/nodes/pve1/qemu/401/config')
    expect(config).toMatchObject({
      scsi0: 'local-lvm:vm-401-disk-1,discard=on,iothread=1,size=3G,ssd=1',
      efidisk0: 'local-lvm:vm-401-disk-0,efitype=4m,pre-enrolled-keys=0,size=4M',
      ide2: 'local-lvm:vm-401-cloudinit,media=cdrom',
      tags: 'lab;slipway',
      description: 'slipway cluster lab machine cp-1',
      cores: 4,
      ciupgrade: 0,
    })
    expect(config.net0).toMatch(/^virtio=BC:24:11(:[0-9A-F]{2}){3},bridge=vmbr0$/)
    expect(config).not.toHaveProperty('lock')

    const grown = await call('PUT', '/nodes/pve1/qemu/401/resize', { disk: 'scsi0', size: '40G' })
    expect(await ended(call, grown.data)).toBe('OK')
    const shrunk = await call('PUT', '/nodes/pve1/qemu/401/resize', { disk: 'scsi0', size: '20G' })
    expect(shrunk).toMatchObject({ status: 500, reason: 'shrinking disks is not supported' })

    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/401/status/start')).data)).toBe('OK')
    expect((await call('GET', '/nodes/pve1/qemu/401/status/current')).data.status).toBe('running')
    expect(machines.asked).toEqual([
      [
        'on',
        {
          id: 'pve/401',
          generation: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
          name: 'cp-1',
          cores: 4,
          memoryMiB: 8_192,
          diskGiB: 40,
          mac: /=(.*),/.exec(config.net0)?.[1],
          image: IMAGE,
          cloudInit: {
            user: 'slipway',
            sshKeys: [KEY],
            address: '10.4.0.11/24',
            gateway: '10.4.0.1',
            nameservers: ['10.4.0.1', '10.4.0.2'],
            searchDomain: 'lab.example',
            upgradePackages: false,
          },
        },
      ],
    ])

    const refused = await call('DELETE', '/nodes/pve1/qemu/401', { purge: 1 })
    expect(refused).toMatchObject({ status: 500, reason: 'VM 401 is running - destroy failed' })
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/401/status/start')).data)).toBe(
      'VM 401 already running',
    )
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/401/status/stop')).data)).toBe('OK')
    expect(await ended(call, (await call('DELETE', '/nodes/pve1/qemu/401', { purge: 1 })).data)).toBe('OK')
    expect(machines.asked.slice(1)).toEqual([
      ['stop', 'pve/401'],
      ['destroy', 'pve/401'],
    ])
    expect(pve.control.vms()).toEqual([])
    expect(pve.control.disks('pve1')).toEqual([])
    expect((await call('GET', '/nodes/pve1/qemu/401/config')).message).toBe(
      "Configuration file 'nodes/pve1/qemu-server/401.conf' does not exist\n",
    )
  })

  test('says everything that is wrong with the parameters, and what only root may set', async () => {
    await using pve = await start()
    const call = caller(pve)
    const params = vmParams(401, 'cp-1', '10.4.0.11')
    const wrong = await call('POST', '/nodes/pve1/qemu', {
      ...params,
      sshkeys: KEY,
      name: 'cp_1',
      colour: 'red',
      cores: 'x',
    })
    expect(wrong.status).toBe(400)
    expect(wrong.message).toBe('Parameter verification failed.\n')
    expect(Object.keys(wrong.errors).toSorted()).toEqual(['colour', 'cores', 'name', 'sshkeys'])
    expect(wrong.errors['sshkeys']).toMatch(/^invalid format - invalid urlencoded string/)
    expect((await call('POST', '/nodes/pve1/qemu', { ...params, vmid: undefined })).errors).toHaveProperty('vmid')
    for (const [key, value] of Object.entries({
      affinity: '0-3',
      args: '-S',
      hostpci0: '0000:01:00',
      serial0: '/dev/ttyS0',
    })) {
      expect((await call('POST', '/nodes/pve1/qemu', { ...params, [key]: value })).message).toMatch(
        /^only root can set/,
      )
    }
    const path = { ...params, scsi0: 'local-lvm:0,import-from=/var/lib/vz/x.qcow2' }
    expect((await call('POST', '/nodes/pve1/qemu', path)).message).toMatch(/^Only root can/)
    expect(pve.control.vms()).toEqual([])
  })

  test('takes form bodies as well, with the keys encoded twice', async () => {
    await using pve = await start()
    const call = caller(pve)
    const created = await call('POST', '/nodes/pve1/qemu', vmParams(401, 'cp-1', '10.4.0.11'), { form: true })
    expect(await ended(call, created.data)).toBe('OK')
    expect(pve.control.vm(401)?.config['sshkeys']).toBe(encodeURIComponent(KEY))
  })

  test('refuses taken ids, wrong and missing images, and storages without the content', async () => {
    await using pve = await start()
    pve.control.addVm({ vmid: 401, node: 'pve2', config: { name: 'someone-elses' } })
    const call = caller(pve)
    const params = vmParams(401, 'cp-1', '10.4.0.11')
    const taken = await call('POST', '/nodes/pve1/qemu', params)
    expect(taken).toMatchObject({
      status: 500,
      reason: "unable to create VM 401 - VM 401 already exists on node 'pve2'",
    })
    expect((await call('GET', '/cluster/nextid', { vmid: 401 })).errors).toEqual({ vmid: 'VM 401 already exists' })
    expect((await call('GET', '/cluster/nextid')).data).toBe(100)

    const from = (image: string) => ({ ...params, vmid: 402, scsi0: `local-lvm:0,import-from=${image}` })
    const iso = await call('POST', '/nodes/pve1/qemu', from('local:iso/seed.iso'))
    expect(iso.errors['scsi0']).toContain("has wrong type 'iso' - needs to be 'images' or 'import'")
    const missing = await call('POST', '/nodes/pve1/qemu', from('local:import/none.qcow2'))
    expect(await ended(call, missing.data)).toMatch(/^unable to create VM 402 - .*does not exist/)
    expect(pve.control.vm(402)).toBeUndefined()
    expect(pve.control.disks('pve1')).toEqual([])
    const noImages = await call('POST', '/nodes/pve1/qemu', { ...from('x:import/y'), scsi0: 'local:32' })
    expect(noImages.errors['storage']).toBe("storage 'local' does not support vm images")
  })

  test('makes a template and clones it linked, with the mark of the clone call', async () => {
    const clock = fastClock()
    await using pve = await start({ clock })
    const call = caller(pve)
    const made = await call('POST', '/nodes/pve1/qemu', vmParams(9_000, 'template', '10.4.0.9'))
    expect(await ended(call, made.data)).toBe('OK')
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/9000/template')).data)).toBe('OK')
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/9000/status/start')).data)).toMatch(/template/)

    const fromTemplate = { newid: 402, name: 'w-1', description: 'cluster lab', pool: 'slipway' }
    const release = clock.hold(DURATIONS.linkedClone)
    const clone = await call('POST', '/nodes/pve1/qemu/9000/clone', fromTemplate)
    expect((await call('GET', '/nodes/pve1/qemu/402/config')).data).toMatchObject({
      lock: 'clone',
      description: 'cluster lab',
    })
    release()
    expect(await ended(call, clone.data)).toBe('OK')
    const [base, copy] = [pve.control.vm(9_000)?.config, pve.control.vm(402)?.config]
    expect(copy).toMatchObject({ name: 'w-1', scsi0: expect.stringContaining('local-lvm:vm-402-disk-') as string })
    expect(copy).not.toHaveProperty('template')
    expect(copy?.['net0']).not.toBe(base?.['net0'])
    expect((await call('POST', '/nodes/pve1/qemu/9000/clone', fromTemplate)).message).toMatch(
      /config file already exists/,
    )
    expect((await call('DELETE', '/nodes/pve1/qemu/9000')).message).toMatch(/still in use by linked clone/)
    const away = await call('POST', '/nodes/pve1/qemu/9000/clone', { newid: 403, target: 'pve2' })
    expect(away.message).toBe("can't clone VM to node 'pve2' (VM uses local storage)\n")
  })

  test('changes a config at once when the VM is off, keeps it pending while it runs, and minds digest and locks', async () => {
    await using pve = await start()
    const call = caller(pve)
    const created = await call('POST', '/nodes/pve1/qemu', { ...vmParams(401, 'cp-1', '10.4.0.11'), start: 1 })
    expect(await ended(call, created.data)).toBe('OK')
    await pve.control.settle()
    const path = '/nodes/pve1/qemu/401/config'
    const { digest } = (await call('GET', path)).data
    expect(await ended(call, (await call('POST', path, { memory: 4_096, tags: 'b;a', digest })).data)).toBe('OK')
    expect((await call('GET', path, { current: 1 })).data).toMatchObject({ memory: '8192', tags: 'a;b' })
    expect((await call('GET', '/nodes/pve1/qemu/401/pending')).data).toContainEqual({
      key: 'memory',
      value: '8192',
      pending: '4096',
    })
    expect((await call('PUT', path, { memory: 2_048, digest })).message).toMatch(/^detected modified configuration/)
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/401/status/reboot')).data)).toBe('OK')
    expect(pve.control.vm(401)?.config['memory']).toBe('4096')

    pve.control.setConfig(401, { lock: 'backup' })
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/401/status/shutdown')).data)).toBe(
      'VM is locked (backup)',
    )
    expect((await call('PUT', path, { onboot: 0 })).message).toBe('VM is locked (backup)\n')
    pve.control.setConfig(401, { lock: undefined })
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/401/status/shutdown')).data)).toBe('OK')
    expect((await call('PUT', path, { delete: 'nameserver', onboot: 0 })).status).toBe(200)
    expect(pve.control.vm(401)?.config).not.toHaveProperty('nameserver')
  })

  test('downloads an image once per file name and checksum', async () => {
    await using pve = await start({
      downloads: (url) => (url.endsWith('.img') ? { sizeBytes: 2 ** 31, checksums: {} } : undefined),
    })
    const call = caller(pve)
    const path = '/nodes/pve2/storage/local/download-url'
    const params = {
      url: 'https://cloud-images.example/noble.img',
      content: 'import',
      filename: 'ubuntu-24.04-ab12cd34.qcow2',
      checksum: 'ab12cd34'.repeat(8),
      'checksum-algorithm': 'sha256',
    }
    const again = async (changes: object) => ended(call, (await call('POST', path, { ...params, ...changes })).data)
    expect(await again({})).toBe('OK')
    expect(await again({})).toBe('OK')
    expect(await again({ checksum: 'ff'.repeat(32) })).toMatch(/^checksum mismatch/)
    expect(await again({ filename: 'other.qcow2', url: 'https://cloud-images.example/none' })).toMatch(/404/)
    const wrongName = await call('POST', path, { ...params, filename: 'noble.img' })
    expect(wrongName.errors).toEqual({ filename: 'invalid filename or wrong extension' })
    const { data } = await call('GET', '/nodes/pve2/storage/local/content', { content: 'import' })
    expect(data.map(({ volid }: { volid: string }) => volid)).toEqual([
      `local:import/${IMAGE}`,
      'local:import/ubuntu-24.04-ab12cd34.qcow2',
    ])
    const volume = '/nodes/pve2/storage/local/content/local:import/ubuntu-24.04-ab12cd34.qcow2'
    expect((await call('GET', volume)).data).toMatchObject({ size: 2 ** 31, format: 'qcow2' })
    expect(await ended(call, (await call('DELETE', volume)).data)).toBe('OK')
    expect(pve.control.images('pve2')).not.toContain('local:import/ubuntu-24.04-ab12cd34.qcow2')
  })

  test('takes an upload whose fields come before the file', async () => {
    await using pve = await start()
    const upload = async (parts: readonly string[]) => {
      const body = Buffer.from([...parts.map((part) => `--b\r\n${part}\r\n`), '--b--\r\n'].join(''))
      const type = 'multipart/form-data; boundary=b'
      return send(pve, 'POST', '/nodes/pve1/storage/local/upload', body, type)
    }
    const content = 'Content-Disposition: form-data; name="content"\r\n\r\niso'
    const file =
      'Content-Disposition: form-data; name="filename"; filename="own-seed.iso"\r\nContent-Type: application/octet-stream\r\n\r\nCD001'
    const call = caller(pve)
    expect(await ended(call, (await upload([content, file])).data)).toBe('OK')
    expect(pve.control.images('pve1')).toContain('local:iso/own-seed.iso')
    expect((await upload([file, content])).errors).toHaveProperty('content')
  })

  test('answers the guest agent when there is one', async () => {
    const clock = fastClock()
    await using pve = await start({ clock, machines: memoryMachines(clock, () => true) })
    const call = caller(pve)
    const path = '/nodes/pve1/qemu/401/agent/network-get-interfaces'
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu', vmParams(401, 'cp-1', '10.4.0.11'))).data)).toBe(
      'OK',
    )
    expect((await call('GET', path)).message).toBe('VM 401 is not running\n')
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/401/status/start')).data)).toBe('OK')
    let answer = await call('GET', path)
    while (answer.status !== 200) {
      expect(answer).toMatchObject({ status: 500, reason: 'QEMU guest agent is not running' })
      answer = await call('GET', path)
    }
    expect(answer.data.result[1]['ip-addresses']).toEqual([
      { 'ip-address': '10.4.0.11', 'ip-address-type': 'ipv4', prefix: 24 },
    ])
  })

  test('lets a token do what it was given, through the pool too', async () => {
    const onVm = 'VM.Allocate VM.Audit VM.PowerMgmt VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk'
    const inPool = `${onVm} VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options`.split(' ')
    const startWith = (pool: readonly string[]) =>
      start({
        tokens: [
          {
            id: 'slipway@pve!least',
            secret: 's1',
            privileges: {
              '/pool/slipway': pool,
              '/storage/local-lvm': ['Datastore.AllocateSpace'],
              '/sdn/zones/localnetwork': ['SDN.Use'],
            },
          },
        ],
      })
    const params = vmParams(401, 'cp-1', '10.4.0.11')
    for (const privilege of inPool.filter((name) => name.startsWith('VM.Config') && name !== 'VM.Config.Network')) {
      if (privilege === 'VM.Config.Cloudinit') continue
      await using pve = await startWith(inPool.filter((name) => name !== privilege))
      const refused = await caller(pve)('POST', '/nodes/pve1/qemu', params)
      expect(refused).toMatchObject({ status: 403, reason: `Permission check failed (/vms/401, ${privilege})` })
    }
    await using pve = await startWith(inPool)
    pve.control.addVm({ vmid: 100, node: 'pve1', config: { name: 'foreign' } })
    const call = caller(pve)
    expect((await call('POST', '/nodes/pve1/qemu', { ...params, pool: 'other' })).errors).toHaveProperty('pool')
    const { pool: _pool, ...noPool } = params
    expect(await call('POST', '/nodes/pve1/qemu', noPool)).toMatchObject({
      status: 403,
      reason: 'Permission check failed (/vms/401, VM.Allocate)',
    })
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu', params)).data)).toBe('OK')
    expect((await call('GET', '/nodes/pve1/qemu')).data).toMatchObject([{ vmid: 401 }])
    expect((await call('GET', '/nodes/pve1/qemu/100/config')).status).toBe(403)
    expect((await call('PUT', '/nodes/pve1/qemu/401/config', { startup: 'order=1' })).reason).toContain(
      '(/, Sys.Modify)',
    )
    const { data } = await call('GET', '/access/permissions', { path: '/storage/local-lvm' })
    expect(data).toEqual({ '/storage/local-lvm': { 'Datastore.AllocateSpace': 1 } })
    const stranger = { authorization: 'PVEAPIToken=slipway@pve!least=wrong' }
    expect((await call('GET', '/version', undefined, stranger)).status).toBe(401)
    expect((await call('GET', '/version', undefined, { authorization: '' })).status).toBe(401)
    expect((await call('GET', '/nodes/pve1/ceph')).status).toBe(501)
  })

  test('shows a leaf that its own CA signed, with the fingerprint given', async () => {
    await using pve = await start()
    const port = Number(new URL(pve.url).port)
    const socket = connect({ host: '127.0.0.1', port, ca: pve.caPem })
    await once(socket, 'secureConnect')
    expect(socket.authorized).toBe(true)
    expect(socket.getPeerCertificate().fingerprint256).toBe(pve.fingerprint)
    socket.destroy()
    const stranger = connect({ host: '127.0.0.1', port })
    const [error] = (await once(stranger, 'error')) as [Error]
    expect(error.message).toMatch(/self-signed certificate/)
  })

  test('has no room for more memory than the node has, and none without its bridge', async () => {
    await using pve = await start()
    const call = caller(pve)
    const big = { ...vmParams(401, 'cp-1', '10.4.0.11'), memory: 1_000_000 }
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu', big)).data)).toBe('OK')
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/401/status/start')).data)).toMatch(
      /Cannot allocate memory/,
    )
    pve.control.setNode('pve1', { memoryMiB: 2_000_000, bridges: ['vmbr1'] })
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/401/status/start')).data)).toBe(
      "bridge 'vmbr0' does not exist",
    )
  })

  test('suffers its faults at the calls named', async () => {
    await using pve = await start({
      faults: {
        rateLimited: { calls: [1], match: 'GET /version' },
        serverError: { calls: [1, 2], match: 'GET /nodes' },
        closedConnection: { calls: [1], match: 'GET /pools' },
        timeoutAfterEffect: { calls: [1], match: 'POST /nodes/pve1/qemu' },
        stalledTask: { calls: [1], match: 'qmcreate:402' },
        taskFails: { calls: [1], match: 'qmcreate:403' },
      },
    })
    const call = caller(pve)
    expect((await call('GET', '/version')).status).toBe(429)
    expect((await call('GET', '/version')).status).toBe(200)
    expect((await call('GET', '/nodes')).status).toBe(596)
    expect((await call('GET', '/nodes')).status).toBe(500)
    expect((await call('GET', '/nodes')).status).toBe(200)
    await expect(call('GET', '/pools')).rejects.toThrow(/socket hang up|ECONNRESET/)
    await expect(call('POST', '/nodes/pve1/qemu', vmParams(401, 'cp-1', '10.4.0.11'))).rejects.toThrow(
      /socket hang up|ECONNRESET/,
    )
    await pve.control.settle()
    expect(pve.control.vm(401)?.config['name']).toBe('cp-1')

    const stalled = await call('POST', '/nodes/pve1/qemu', vmParams(402, 'w-1', '10.4.0.12'))
    const failing = await call('POST', '/nodes/pve1/qemu', vmParams(403, 'w-2', '10.4.0.13'))
    expect(await ended(call, failing.data)).toMatch(/signal 9/)
    const { data } = await call('GET', `/nodes/pve1/tasks/${encodeURIComponent(stalled.data)}/status`)
    expect(data).toMatchObject({ status: 'running', type: 'qmcreate', id: '402' })
    expect(pve.control.vm(402)?.config).toEqual({ lock: 'create' })
    expect((await call('DELETE', '/nodes/pve1/qemu/402')).message).toBe('VM is locked (create)\n')
    expect((await call('GET', '/nodes/pve1/tasks', { source: 'active' })).data).toMatchObject([{ upid: stalled.data }])
  })

  test('serialises allocation on a storage and gives up waiting as the real one does', async () => {
    // Slow enough for the requests to arrive while the first clone still holds the lock.
    await using pve = await start({
      clock: fastClock(40),
      durations: { importDisk: 1, linkedClone: 8_000, cloneLookup: 1 },
    })
    const call = caller(pve)
    const made = await call('POST', '/nodes/pve1/qemu', vmParams(9_000, 'template', '10.4.0.9'))
    expect(await ended(call, made.data)).toBe('OK')
    expect(await ended(call, (await call('POST', '/nodes/pve1/qemu/9000/template')).data)).toBe('OK')
    const outcomes = await Promise.all(
      [501, 502, 503, 504].map(async (newid) =>
        ended(call, (await call('POST', '/nodes/pve1/qemu/9000/clone', { newid })).data),
      ),
    )
    expect(outcomes).toContain(
      "clone failed: can't lock file '/var/lock/pve-manager/pve-storage-local-lvm' - got timeout",
    )
    expect(outcomes).toContain('OK')
    pve.control.setFaults({ lockTimeout: { calls: [1], match: 'lock-9000.conf' } })
    const refused = await call('POST', '/nodes/pve1/qemu/9000/clone', { newid: 509 })
    expect(refused.message).toBe("can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout\n")
  })
})

test('machines can be in another process', async () => {
  const machines = recordedMachines()
  const served = await serveMachines({ ...machines, interfaces: async () => [{ name: 'lo', mac: '', addresses: [] }] })
  try {
    await using pve = await start({ machines: machinesOver(served.url) })
    const call = caller(pve)
    const created = await call('POST', '/nodes/pve1/qemu', { ...vmParams(401, 'cp-1', '10.4.0.11'), start: 1 })
    expect(await ended(call, created.data)).toBe('OK')
    await pve.control.settle()
    expect(machines.asked).toMatchObject([['on', { id: 'pve/401', cloudInit: { sshKeys: [KEY] } }]])
    const { data } = await call('GET', '/nodes/pve1/qemu/401/agent/network-get-interfaces')
    expect(data.result).toHaveLength(1)
  } finally {
    await served.close()
  }
})
