import * as z from 'zod'
import { RunnerConfigDocument } from '../runner/config.ts'
import type { JsonSchema } from '../src/core/spec/json-schema.ts'
import { rowsOf, table } from './schema-table.ts'

const EXAMPLE = `app: https://slipway.example
state: /var/lib/slipway-runner
repositories: [you/home]
clusters: [home]
connections:
  lab:
    kind: proxmox
    url: https://10.4.0.2:8006
    tokenFile: proxmox-token
    tls: { check: ca, file: pve-root-ca.pem }
allow:
  vmids: [400-449]
  nodes: [pve1]
  storages: [local, local-lvm]
  bridges: [vmbr0]
  hosts: [10.4.0.0/24]
  steps: all`

/** The reference of `runner.yaml`, from the schema that reads it. */
export function runnerPages(): ReadonlyMap<string, string> {
  const schema = z.toJSONSchema(RunnerConfigDocument, { io: 'input', reused: 'inline' }) as JsonSchema
  const page = [
    '# `runner.yaml`',
    '<!-- Made by `npm run docs` from runner/config.ts; edit the descriptions there. -->',
    'What a runner may do, whatever a repository or an app asks of it. What a list does not name is denied, so an empty file allows nothing. It also says how the network is reached, since no address of a Proxmox and no credential belongs in a repository.',
    'The file must be writable by its owner only, and so must the files that hold tokens. Paths are relative to it. Unknown fields are errors; all mistakes are reported together.',
    `\`\`\`yaml\n${EXAMPLE}\n\`\`\``,
    table(rowsOf(schema, '')),
    'An empty file named `stop` in the folder `state` is the emergency stop: nothing new starts until it is gone.',
  ]
  return new Map([['docs/reference/runner.md', `${page.join('\n\n')}\n`]])
}

/** The example of the page, so that a test can read it as a runner does. */
export const runnerExample = EXAMPLE
