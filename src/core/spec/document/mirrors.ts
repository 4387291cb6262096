import * as z from 'zod'
import { httpUrl } from '../notation.ts'

/** No site mirrors more places than this. */
const MAX_MIRRORS = 100

const prefixes = (what: string) =>
  z
    .record(
      z.string().regex(/^(?:https?|oci):\/\/\S+$/, 'is not a URL prefix'),
      z.string().regex(/^(?:https?|oci):\/\/\S+$/, 'must be a URL'),
    )
    .refine((entries) => Object.keys(entries).length <= MAX_MIRRORS, `must have at most ${MAX_MIRRORS} entries`)
    .default({})
    .describe(`${what}: upstream URL prefix → URL prefix of the mirror. The longest matching prefix counts.`)

export const mirrors = z
  .strictObject({
    packages: prefixes('apt repositories and their keys'),
    binaries: prefixes('Programs'),
    charts: prefixes('Helm chart repositories'),
    manifests: prefixes('Manifests that upstream publishes as files'),
    containerImages: z
      .record(z.string().regex(/^[a-z0-9.-]+(?::[0-9]+)?$/, 'is not a registry host'), httpUrl)
      .refine((entries) => Object.keys(entries).length <= MAX_MIRRORS, `must have at most ${MAX_MIRRORS} entries`)
      .default({})
      .describe('Container images: registry host such as `docker.io` → URL of the mirror.'),
    osImages: prefixes('Operating system images'),
  })
  .prefault({})
  .describe('Where to fetch instead of upstream, for sites with a cache or without Internet.')
