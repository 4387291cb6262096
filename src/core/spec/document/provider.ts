import * as z from 'zod'
import { hostName, httpUrl, ipAddress } from '../notation.ts'

const storage = z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,99}$/, 'must be the name of a Proxmox storage')

const image = z
  .union([
    z.enum(['debian-13', 'debian-12', 'ubuntu-24.04']),
    z.strictObject({
      url: httpUrl.describe('Where the qcow2 or raw image is fetched.'),
      file: z
        .string()
        .regex(
          /^[A-Za-z0-9][-A-Za-z0-9.+=_]{0,120}\.(?:qcow2|raw|vmdk)$/,
          'must be a file name ending in .qcow2, .raw or .vmdk',
        )
        .describe('Name under which the storage keeps it. Put its version in: an existing file is not fetched again.'),
      checksum: z
        .string()
        .regex(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/, 'must be sha256:… or sha512:… in hexadecimal')
        .describe('Checksum, `sha256:…` or `sha512:…`.'),
    }),
  ])
  .describe(
    "Operating system: `debian-13`, `debian-12`, `ubuntu-24.04` (the publisher's newest build) or an image of one's own.",
  )

const proxmox = z.strictObject({
  kind: z.literal('proxmox').describe('Proxmox VE 8.4 or newer, over its API.'),
  connection: z
    .string()
    .regex(/^[a-z0-9][-a-z0-9]{0,62}$/, 'must be lower-case letters, digits and hyphens')
    .describe("Name of a connection in the runner's `runner.yaml`; address and token exist only there."),
  image: image.optional(),
  template: z
    .int()
    .min(100)
    .max(999_999_999)
    .optional()
    .describe('Clone this VM template instead of importing an image. One of `image` and `template` is needed.'),
  storage: storage.describe('Storage for disks.'),
  imageStorage: storage.default('local').describe('Storage that keeps images (content type `import`).'),
  bridge: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9]{0,14}$/, 'must be the name of a bridge')
    .default('vmbr0')
    .describe('Bridge that the network card is on.'),
  vlan: z.int().min(1).max(4094).optional().describe('VLAN tag.'),
  gateway: ipAddress.describe("The LAN's gateway."),
  nameservers: z.array(ipAddress).max(3).default([]).describe('DNS servers, at most three; the gateway when left out.'),
  searchDomain: hostName.optional().describe('DNS search domain.'),
  pool: z
    .string()
    .regex(/^[A-Za-z0-9][-A-Za-z0-9_.]{0,63}$/, 'must be the name of a Proxmox pool')
    .optional()
    .describe("Proxmox pool for the VMs; the API token's rights can then end at that pool."),
  cpuType: z
    .string()
    .regex(/^[A-Za-z0-9][-A-Za-z0-9_.]{0,60}$/, 'must be a Proxmox CPU type')
    .default('host')
    .describe('CPU type: `host`, or e.g. `x86-64-v2-AES` where VMs move between unequal hosts.'),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name')
    .default('slipway')
    .describe('User that cloud-init makes for the runner.'),
  authorizedKeys: z
    .array(
      z
        .string()
        .max(2000)
        .regex(
          /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com) [A-Za-z0-9+/]+=*(?: \S.*)?$/,
          'must be a public SSH key line',
        ),
    )
    .max(20)
    .default([])
    .describe("Further public SSH keys that may log in; the runner's own is always there."),
})

export const providers = z
  .record(
    z.string().regex(/^[a-z0-9][-a-z0-9]{0,62}$/, 'is not a name of lower-case letters, digits and hyphens'),
    z.discriminatedUnion('kind', [proxmox]),
  )
  .default({})
  .describe('Where virtual machines are made, by a name of your choice. Credentials are never here.')

export type ProviderDocument = z.output<typeof proxmox>
