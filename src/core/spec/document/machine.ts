import * as z from 'zod'
import { NAME_RANGE } from '../expansion.ts'
import { countedAddress, interfaceAddress, labels, port, size, taint } from '../notation.ts'
import { reservation } from './kubernetes.ts'

const PLAIN_NAME = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/

const name = z
  .string()
  .max(80)
  .refine(
    (text) => PLAIN_NAME.test(text) || NAME_RANGE.test(text),
    'must be lower-case letters, digits and inner hyphens, with a range such as w-{1..3} for several',
  )
  .meta({ pattern: '^[a-z0-9{}.-]{1,80}$' })
  .describe('Host name and node name. `w-{1..3}` stands for three machines.')

const nodeName = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/, 'must be the name of a Proxmox node')

const gpus = z.strictObject({
  nvidia: z
    .union([z.literal('all'), z.int().min(1).max(16)])
    .describe('How many NVIDIA GPUs the cluster may use here: a number, or `all` that the machine has.'),
  driver: z
    .enum(['host', 'operator', 'none'])
    .default('host')
    .describe('Who installs the driver: Slipway on the host, the GPU operator, or nobody (it is there already).'),
  driverBranch: z
    .union([z.enum(['second-latest', 'latest']), z.string().regex(/^[0-9]{3}$/, 'must be a branch such as 580')])
    .default('second-latest')
    .describe(
      'Driver branch of the long-term server line; `second-latest` is the one before the newest, capped by what the GPU can run. Kept once installed.',
    ),
  sharing: z
    .strictObject({
      timeSlicing: z.int().min(2).max(64).describe('Pods that take turns on one GPU; no memory isolation.'),
    })
    .optional()
    .describe('Let several pods share one GPU.'),
})

const common = {
  name,
  role: z.enum(['control-plane', 'worker']).describe('`control-plane` runs the API and etcd; `worker` runs pods only.'),
  labels: labels.default({}).describe('Node labels. Slipway keeps these and removes only labels that it set itself.'),
  taints: z.array(taint).max(32).default([]).describe('Node taints as `key=value:Effect`.'),
  optional: z.boolean().default(false).describe('May be away without stopping work on the others, as laptops are.'),
  reserved: reservation
    .optional()
    .describe('CPU and memory kept from pods on this machine, e.g. for its desktop user.'),
  gpus: gpus.optional().describe('GPUs that the cluster may use.'),
}

const virtual = z.strictObject({
  ...common,
  provider: z.string().describe('Name of an entry under `providers`.'),
  node: z
    .union([nodeName, z.array(nodeName).min(1).max(64)])
    .describe('Proxmox node. A list deals the machines of a range out in turn.'),
  id: z
    .union([
      z.int().min(100).max(999_999_999),
      z.string().regex(/^[1-9][0-9]{2,8}\.\.$/, 'must be a VM id such as 411, or 411.. to count up'),
      z.array(z.int().min(100).max(999_999_999)).min(1),
    ])
    .describe('VM id; `411..` counts up over a range, a list gives one each.'),
  address: z
    .union([interfaceAddress, z.array(interfaceAddress).min(1)])
    .describe('Static address with its prefix; `10.0.4.21../24` counts up over a range, a list gives one each.'),
  cores: z.int().min(1).max(512).default(2).describe('CPU cores.'),
  memory: size.default('4GiB').describe('Memory.'),
  disk: size.default('40GiB').describe('System disk. May grow later, never shrink.'),
  extraDisks: z
    .array(
      z.strictObject({
        storage: z.string().min(1).max(100).describe('Proxmox storage.'),
        size: size.describe('Its size.'),
        purpose: z.string().max(60).optional().describe('What it is for, e.g. `scratch`.'),
      }),
    )
    .max(14)
    .default([])
    .describe('Further disks.'),
  passthrough: z
    .array(z.string().min(1).max(128))
    .max(16)
    .default([])
    .describe('Proxmox PCI resource mappings to pass through, by name. Raw PCI addresses do not work with API tokens.'),
  performance: z
    .strictObject({
      pinnedCores: z
        .string()
        .regex(/^[0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*$/, 'must be host cores such as 0-7,16-23')
        .optional()
        .describe('Host cores that this VM runs on.'),
      hugePages: z.boolean().default(false).describe('Back the memory with huge pages.'),
    })
    .prefault({})
    .describe('Needs root on the Proxmox node; API tokens may not set it.'),
})

const existing = z.strictObject({
  ...common,
  host: z
    .union([countedAddress, z.array(countedAddress).min(1)])
    .describe('Address of a machine that exists already; `10.0.4.31..` counts up over a range.'),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name')
    .default('root')
    .describe('SSH user, root or with sudo that asks no password.'),
  port: port.default(22).describe('SSH port.'),
  hostKey: z
    .union([z.string().max(1000), z.array(z.string().max(1000)).min(1)])
    .optional()
    .describe(
      'The host key that must answer, as `ssh-ed25519 AAAA…`; a list for a range. Needed: Slipway does not trust first use here.',
    ),
})

/** A VM (`provider`) or a machine that exists (`host`). */
const machine = z.union([virtual, existing])

export const machines = z
  .array(machine)
  .min(1)
  .max(200)
  .describe(
    'The machines: VMs on a provider, or existing hosts (`host`). Ranges and lists expand into one machine each.',
  )

export type MachineDocument = z.output<typeof machine>
export type VirtualDocument = z.output<typeof virtual>
export type ExistingDocument = z.output<typeof existing>
