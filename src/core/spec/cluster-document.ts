import * as z from 'zod'
import { components } from './document/component-settings.ts'
import { gitops } from './document/gitops.ts'
import { kubernetes } from './document/kubernetes.ts'
import { machines } from './document/machine.ts'
import { mirrors } from './document/mirrors.ts'
import { endpoint, network } from './document/network.ts'
import { access, backup, upgrades } from './document/operations.ts'
import { providers } from './document/provider.ts'
import { dnsLabel } from './notation.ts'

/**
 * `cluster.yaml` as a person writes it. Unknown fields are errors. `resolve.ts` turns it into the `ClusterSpec` that the
 * rest of Slipway reads; the JSON schema for editors and the reference page are made from this and its descriptions.
 */
export const clusterDocument = z
  .strictObject({
    apiVersion: z.literal('slipway.dev/v1alpha1').describe('Version of this format.'),
    kind: z.literal('Cluster').describe('Always `Cluster`.'),
    metadata: z
      .strictObject({ name: dnsLabel.describe('Name of the cluster; the same as its folder under `clusters/`.') })
      .describe('What it is called.'),
    spec: z
      .strictObject({
        lifecycle: z
          .enum(['keep', 'destroy'])
          .default('keep')
          .describe('`destroy`, once merged, allows `/slipway destroy`. Deleting this file never destroys anything.'),
        kubernetes,
        endpoint: endpoint.optional(),
        network,
        providers,
        machines,
        gitops,
        components,
        mirrors,
        access,
        backup,
        upgrades,
      })
      .describe('The cluster.'),
  })
  .describe('A Kubernetes cluster, as Slipway keeps it.')

export type ClusterDocument = z.output<typeof clusterDocument>
