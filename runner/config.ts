import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import * as z from 'zod'
import { Problem } from '../src/core/problem.ts'
import { IMPACTS, type StepKind } from '../src/core/step.ts'

/** How a server's certificate is checked. Leaf fingerprints change with renewals; a CA lasts. */
const Tls = z.discriminatedUnion('check', [
  z.strictObject({ check: z.literal('system').describe('By the authorities that the system trusts') }),
  z.strictObject({
    check: z.literal('ca').describe('By one authority of your own; what a Proxmox cluster has by itself'),
    file: z.string().describe('PEM file of the certificate authority, e.g. a copy of /etc/pve/pve-root-ca.pem'),
  }),
  z.strictObject({
    check: z.literal('fingerprint').describe('By the very certificate; renewals change it'),
    sha256: z
      .string()
      .regex(/^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$/)
      .describe('SHA-256 fingerprint of the leaf certificate, AA:BB:…'),
  }),
])

const ProxmoxConnection = z.strictObject({
  kind: z.literal('proxmox').describe('A Proxmox VE cluster or node'),
  url: z.url({ protocol: /^https$/ }).describe('https://host:8006 of any node of the Proxmox cluster'),
  tokenFile: z.string().describe('File with `USER@REALM!TOKENID=UUID`, mode 0600'),
  tls: Tls.describe('How its certificate is checked'),
})
export type ProxmoxConnection = z.infer<typeof ProxmoxConnection>

const VmidRange = z.string().regex(/^\d+(-\d+)?$/)
const STEP_KINDS = [
  'fetch-image',
  'create-vm',
  'resize-vm',
  'start-vm',
  'destroy-vm',
  'await-host',
  'prepare-host',
  'init-control-plane',
  'join-node',
  'drain-node',
  'remove-node',
  'label-node',
  'await-cluster',
  'apply-component',
  'register-deploy-key',
  'install-engine',
  'point-engine',
] as const satisfies readonly StepKind[]

const Allow = z
  .strictObject({
    vmids: z.array(VmidRange).default([]).describe('Ids that Slipway may create and destroy VMs under, `400-449`'),
    nodes: z.array(z.string()).default([]).describe('Proxmox nodes'),
    storages: z.array(z.string()).default([]).describe('Proxmox storages, for disks and for images'),
    bridges: z.array(z.string()).default([]).describe('Network bridges of machines'),
    pools: z.array(z.string()).default([]).describe('Proxmox pools; a spec without a pool needs none'),
    hosts: z.array(z.string()).default([]).describe('Addresses or CIDRs that may be reached by SSH'),
    steps: z
      .union([z.literal('all'), z.array(z.enum(STEP_KINDS))])
      .default([])
      .describe('Kinds of steps, or `all`'),
    impact: z
      .enum(IMPACTS)
      .default('reboot')
      .describe('The gravest impact a step may have without a change of this file'),
    destroys: z.int().min(0).max(100).default(0).describe('Machines that one job may destroy'),
  })
  .prefault({})
  .describe('What a plan may do here; what a list does not name is denied')
export type Allow = z.infer<typeof Allow>

/** `runner.yaml`: what this runner may do, whatever a repository or an app asks. Everything not allowed is denied. */
export const RunnerConfigDocument = z.strictObject({
  app: z.url().optional().describe('Address of the Slipway app; only `slipway runner` needs it'),
  state: z.string().default('state').describe('Folder for keys, journal and mirrors; relative to this file'),
  proxy: z
    .url({ protocol: /^socks5h?$/ })
    .optional()
    .describe('SOCKS5 proxy through which the LAN is reached, e.g. tailscaled in userspace mode'),
  repositories: z.array(z.string()).default([]).describe('`owner/name` of the repositories it works for'),
  clusters: z.array(z.string()).default([]).describe('Names of the clusters it works for, or `*`'),
  connections: z
    .record(z.string(), ProxmoxConnection)
    .default({})
    .describe('What a spec calls `connection`: where it is and how to prove who asks'),
  allow: Allow,
  tools: z
    .strictObject({
      helm: z.string().optional().describe('Path of the helm program, needed for charts (Cilium, Fleet)'),
    })
    .prefault({})
    .describe('Programs that the runner starts'),
})
export type RunnerConfig = z.infer<typeof RunnerConfigDocument> & { readonly file: string }

/** Largest `runner.yaml` that is read. */
const MAX_BYTES = 256 * 1024

/**
 * Reads `runner.yaml`. Paths inside are relative to the file, which must belong to root or to the user that this runs
 * as, and be writable by nobody else.
 * @throws Problem `runner.config` naming every mistake at once.
 */
export function readRunnerConfig(file: string): RunnerConfig {
  let text: string
  try {
    const stat = statSync(file)
    if (stat.size > MAX_BYTES)
      throw new Problem({ code: 'runner.config', what: `${file} is larger than ${MAX_BYTES} bytes`, retry: 'never' })
    if ((stat.mode & 0o022) !== 0)
      throw new Problem({
        code: 'runner.config-writable',
        what: `${file} can be written by others (mode ${(stat.mode & 0o777).toString(8)})`,
        remedy: `chmod go-w ${file}`,
        retry: 'never',
      })
    if (stat.uid !== 0 && stat.uid !== process.getuid?.())
      throw new Problem({
        code: 'runner.config-owner',
        what: `${file} belongs to user ${stat.uid}, who could change what this runner may do`,
        remedy: `chown root ${file}`,
        retry: 'never',
      })
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem(
      {
        code: 'runner.config',
        what: `reading ${file}`,
        remedy: 'Write one; `slipway init` puts an example beside the spec.',
        retry: 'never',
      },
      { cause: error },
    )
  }
  const doc = parseDocument(text)
  const syntax = doc.errors.map((error) => `${error.message.split('\n')[0]}`)
  const parsed = RunnerConfigDocument.safeParse(syntax.length > 0 ? {} : (doc.toJS() ?? {}))
  const problems = [
    ...syntax,
    ...(parsed.success || syntax.length > 0
      ? []
      : parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`)),
  ]
  if (!parsed.success || problems.length > 0)
    throw new Problem({
      code: 'runner.config',
      what: problems.join('; '),
      where: file,
      remedy: 'See docs/reference/runner.md for every setting.',
      retry: 'never',
    })
  const base = resolve(file, '..')
  const path = (value: string): string => (isAbsolute(value) ? value : join(base, value))
  return {
    ...parsed.data,
    file,
    state: path(parsed.data.state),
    connections: Object.fromEntries(
      Object.entries(parsed.data.connections).map(([name, connection]) => [
        name,
        {
          ...connection,
          tokenFile: path(connection.tokenFile),
          tls: connection.tls.check === 'ca' ? { ...connection.tls, file: path(connection.tls.file) } : connection.tls,
        },
      ]),
    ),
  }
}
