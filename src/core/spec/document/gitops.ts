import * as z from 'zod'
import { duration, version } from '../notation.ts'

const common = {
  repository: z
    .strictObject({
      url: z
        .string()
        .regex(
          /^ssh:\/\/[A-Za-z0-9_.-]+@[^/\s:@]+(?::[0-9]{1,5})?\/\S+$/,
          'must be written ssh://git@host/owner/repository.git',
        )
        .describe('SSH URL: `ssh://git@host[:port]/owner/repo.git`.'),
      branch: z.string().min(1).max(200).default('main').describe('Branch to follow.'),
      knownHosts: z
        .array(z.string().regex(/^\S+ \S+ [A-Za-z0-9+/]+=*$/, 'must be a known_hosts line'))
        .min(1)
        .max(16)
        .describe('known_hosts lines of that host.'),
    })
    .optional()
    .describe('Follow another repository than the one this file is in.'),
  apps: z
    .string()
    .regex(/^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/, 'must be a path without leading or trailing slash')
    .refine((path) => !path.split('/').some((part) => part === '..' || part === '.'), 'must not contain `.` or `..`')
    .optional()
    .describe('Folder of your own manifests; `clusters/<name>/apps` when left out.'),
  interval: duration.default('1m').describe('How often the engine looks for new commits.'),
  secrets: z
    .strictObject({
      sops: z
        .boolean()
        .default(false)
        .describe('Decrypt SOPS files in the cluster with an age key that is made on the LAN and never leaves it.'),
    })
    .prefault({})
    .describe('How secrets in the repository reach the cluster.'),
  version: version.optional().describe('Version; without one, the one that this release knows.'),
}

const flux = z.strictObject({ engine: z.literal('flux').describe('Flux.'), ...common })

const argocd = z.strictObject({
  engine: z.literal('argocd').describe('Argo CD.'),
  ...common,
  project: z
    .string()
    .regex(/^[a-z0-9][-a-z0-9]{0,62}$/)
    .optional()
    .describe('AppProject for the applications; made when absent.'),
  domain: z.string().max(253).optional().describe('Host name of the web interface.'),
})

const fleet = z.strictObject({ engine: z.literal('fleet').describe('Rancher Fleet.'), ...common })

export const gitops = z
  .discriminatedUnion('engine', [flux, argocd, fleet])
  .describe('The GitOps engine that keeps what runs on the cluster equal to the repository.')
