import { badParameters } from './answer.ts'
import { PARAMETER } from './route.ts'
import type { Call, Route } from './route.ts'
import type { Task } from './task.ts'
import { memoryMiB, summary } from './vm.ts'
import type { World } from './world.ts'

const MIB = 2 ** 20
/** As many as `GET /cluster/tasks` returns. */
const CLUSTER_TASKS = 100
/** Where `nextid` starts looking. */
const FIRST_VMID = 100

export interface Release {
  /** e.g. `9.1.2` */
  readonly version: string
  readonly repoid: string
}

export function clusterRoutes(release: Release): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/version',
      run: () => ({ version: release.version, release: majorMinor(release.version), repoid: release.repoid }),
    },
    {
      method: 'GET',
      path: '/access/permissions',
      parameters: { path: PARAMETER.optionalText, userid: PARAMETER.optionalText },
      run: ({ access, params }) => {
        const path = params['path']
        return path === undefined ? access.permissions() : { [path]: access.permissionsAt(String(path)) }
      },
    },
    {
      method: 'GET',
      path: '/cluster/status',
      needs: ['/', 'Sys.Audit'],
      run: ({ world }) => [
        {
          type: 'cluster',
          id: 'cluster',
          name: world.cluster,
          nodes: world.nodes.size,
          quorate: 1,
          version: world.nodes.size,
        },
        ...[...world.nodes.keys()].map((name, at) => ({
          type: 'node',
          id: `node/${name}`,
          name,
          nodeid: at + 1,
          online: 1,
          local: at === 0 ? 1 : 0,
          ip: `192.0.2.${at + 11}`,
          level: '',
        })),
      ],
    },
    {
      method: 'GET',
      path: '/cluster/resources',
      parameters: { type: { type: 'string', optional: true, values: ['vm', 'storage', 'node', 'sdn'] } },
      run: resources,
    },
    {
      method: 'GET',
      path: '/cluster/tasks',
      run: ({ world }) =>
        world.tasks
          .all()
          .slice(0, CLUSTER_TASKS)
          .map((task) => taskRow(task)),
    },
    {
      method: 'GET',
      path: '/cluster/nextid',
      parameters: { vmid: PARAMETER.optionalVmid },
      run: ({ world, params }) => nextId(world, params['vmid']),
    },
    {
      method: 'GET',
      path: '/cluster/mapping/pci',
      parameters: { 'check-node': PARAMETER.optionalText },
      run: ({ world, access, params }) =>
        world.mappings
          .filter(({ id }) => access.may(`/mapping/pci/${id}`, ['Mapping.Modify', 'Mapping.Use', 'Mapping.Audit']))
          .map(({ id, map }) => ({
            id,
            map,
            type: 'pci',
            description: '',
            ...(params['check-node'] !== undefined && { checks: [] }),
          })),
    },
    {
      method: 'GET',
      path: '/pools',
      parameters: { poolid: PARAMETER.optionalText, type: PARAMETER.optionalText },
      run: ({ world, params }) =>
        [...world.pools]
          .filter((pool) => params['poolid'] === undefined || pool === params['poolid'])
          .map((poolid) => ({ poolid, ...(params['poolid'] !== undefined && { members: members(world, poolid) }) })),
    },
    {
      method: 'GET',
      path: '/storage',
      parameters: { type: PARAMETER.optionalText },
      run: ({ world, params }) =>
        world.storages.specs
          .filter(({ type }) => params['type'] === undefined || type === params['type'])
          .map(({ storage, type, content, shared }) => storageConfig(storage, type, content, shared)),
    },
    {
      method: 'GET',
      path: '/storage/{storage}',
      needs: ['/storage/{storage}', 'Datastore.Allocate'],
      run: ({ world, params }) => {
        const { storage, type, content, shared } = world.storages.spec(String(params['storage']))
        return storageConfig(storage, type, content, shared)
      },
    },
  ]
}

const majorMinor = (version: string) => version.split('.').slice(0, 2).join('.')

function storageConfig(
  storage: string,
  type: string,
  content: readonly string[],
  shared = false,
): Record<string, unknown> {
  return { storage, type, content: content.join(','), shared: shared ? 1 : 0, digest: '0'.repeat(40) }
}

function nextId(world: World, asked: string | number | undefined): number {
  if (asked !== undefined) {
    const taken = world.vms.has(Number(asked))
    if (taken) throw badParameters({ vmid: `VM ${asked} already exists` })
    return Number(asked)
  }
  let id = FIRST_VMID
  while (world.vms.has(id)) id++
  return id
}

function members(world: World, pool: string): readonly Record<string, unknown>[] {
  return [...world.vms.values()]
    .filter((vm) => vm.pool === pool)
    .map((vm) => ({ id: `qemu/${vm.vmid}`, type: 'qemu', ...summary(vm, world.clock.now()), node: vm.node }))
}

function resources({ world, access, params }: Call): readonly Record<string, unknown>[] {
  const now = world.clock.now()
  const wants = (type: string) => params['type'] === undefined || params['type'] === type
  const nodes = [...world.nodes.values()].map(({ node, cores, memoryMiB: memory }) => ({
    id: `node/${node}`,
    type: 'node',
    node,
    status: 'online',
    level: '',
    maxcpu: cores,
    cpu: 0.02,
    maxmem: memory * MIB,
    mem: (memory - world.freeMemoryMiB(node)) * MIB,
    maxdisk: 100 * 2 ** 30,
    disk: 5 * 2 ** 30,
    uptime: Math.floor((now - world.bootedAt) / 1_000),
    'cgroup-mode': 2,
  }))
  const vms = [...world.vms.values()]
    .filter((vm) => access.may(`/vms/${vm.vmid}`, ['VM.Audit'], vm.pool))
    .map((vm) => ({
      ...resourceFields(summary(vm, now)),
      id: `qemu/${vm.vmid}`,
      type: 'qemu',
      node: vm.node,
      maxcpu: Number(summary(vm, now)['cpus']),
      maxmem: memoryMiB(vm) * MIB,
      template: vm.config.get('template') === 1 ? 1 : 0,
      ...(vm.pool !== undefined && { pool: vm.pool }),
    }))
  const storages = [...world.nodes.keys()].flatMap((node) =>
    world.storages.specs.map(({ storage }) => {
      const { type, content, total, used, shared } = world.storages.status(node, storage)
      const facts = { id: `storage/${node}/${storage}`, type: 'storage', node, storage, status: 'available' }
      return { ...facts, plugintype: type, content, maxdisk: total, disk: used, shared }
    }),
  )
  return [...(wants('node') ? nodes : []), ...(wants('vm') ? vms : []), ...(wants('storage') ? storages : [])]
}

function resourceFields({
  pid: _pid,
  serial: _serial,
  cpus: _cpus,
  ...rest
}: Record<string, unknown>): Record<string, unknown> {
  return rest
}

/** A task in a list; `status` there is the exit status. */
export function taskRow(task: Task): Record<string, unknown> {
  const { upid, node, type, id, user, pid, pstart, starttime, endtime, exitstatus } = task
  const row = { upid, node, type, id, user, pid, pstart, starttime }
  return exitstatus === undefined ? row : { ...row, endtime, status: exitstatus }
}
