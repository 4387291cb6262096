import * as z from 'zod'
import { cidr, duration, httpUrl, secretName } from '../notation.ts'

const cron = z.string().regex(/^[-0-9*/,]+(?: [-0-9*/,A-Za-z]+){4}$/, 'must be five cron fields such as 0 */12 * * *')

const bucket = z.strictObject({
  endpoint: httpUrl.describe('S3 endpoint.'),
  bucket: z.string().min(3).max(63).describe('Bucket.'),
  secret: secretName.describe('Name of the Secret with the access key.'),
})

export const access = z
  .strictObject({
    sshFrom: z
      .array(cidr)
      .max(32)
      .default([])
      .describe('Networks that may reach SSH; any when empty. Needs the managed firewall.'),
    kubeconfig: z
      .enum(['runner', 'sealed'])
      .default('runner')
      .describe('`runner`: the admin kubeconfig stays there. `sealed`: also put sealed into the repository.'),
    oidc: z
      .strictObject({
        issuer: httpUrl.describe('Issuer URL.'),
        clientId: z.string().min(1).max(200).describe('Client id.'),
        groupsClaim: z.string().max(60).default('groups').describe('Claim that holds groups.'),
      })
      .optional()
      .describe('Log people in to the Kubernetes API with an OpenID provider.'),
    admins: z.array(z.string().min(1).max(200)).max(50).default([]).describe('OIDC groups with cluster-admin.'),
  })
  .optional()
  .describe('Who reaches the machines and the API.')

export const backup = z
  .strictObject({
    etcd: z
      .strictObject({
        schedule: cron.default('0 */12 * * *').describe('When, as cron in UTC.'),
        keep: z.int().min(1).max(500).default(14).describe('Snapshots to keep.'),
        s3: bucket.optional().describe('Copy them off the machines.'),
      })
      .optional()
      .describe('Snapshots of the datastore (etcd, or the SQLite file of K3s).'),
    volumes: z
      .strictObject({
        schedule: cron.default('0 3 * * *').describe('When, as cron in UTC.'),
        keepFor: duration.default('720h').describe('How long.'),
        s3: bucket.describe('Where to.'),
        namespaces: z.array(z.string().max(63)).max(200).default([]).describe('Which namespaces; all when empty.'),
      })
      .optional()
      .describe('Backups of namespaces and volumes with Velero.'),
  })
  .optional()
  .describe('What is saved, when and where to.')

export const upgrades = z
  .strictObject({
    parallel: z
      .int()
      .min(1)
      .max(10)
      .default(1)
      .describe('Workers upgraded at a time; control planes always one by one.'),
    drainTimeout: duration.default('10m').describe('How long pods may take to leave a node.'),
    window: z
      .strictObject({
        days: z
          .array(z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']))
          .min(1)
          .describe('On which days.'),
        from: z
          .string()
          .regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]$/, 'must be a time such as "22:30"')
          .describe('From, UTC.'),
        to: z
          .string()
          .regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]$/, 'must be a time such as "04:00"')
          .describe('Until, UTC.'),
      })
      .optional()
      .describe('When restarts and drains may happen; any time when left out.'),
    osPackages: z
      .enum(['never', 'security', 'all'])
      .default('never')
      .describe('Operating system updates, as planned steps.'),
  })
  .optional()
  .describe('How changes of version are rolled out.')
