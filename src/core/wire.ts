import * as z from 'zod'

/**
 * What runner and app say to each other: JSON over HTTPS, always asked by the runner. Every request but the first
 * carries `slipway-runner`, `slipway-time`, `slipway-nonce` and `slipway-signature` headers: Ed25519 by the runner's
 * key over {@link signedText}. Answers carry `slipway-signature` by the app's key over {@link answerText}.
 */
export const WIRE = 1

/** Requests older or newer than this are refused; also how long nonces are remembered. */
export const CLOCK_SKEW_MS = 120_000

export function signedText(request: {
  readonly method: string
  readonly path: string
  readonly time: string
  readonly nonce: string
  readonly bodySha256: string
}): string {
  return ['slipway-request-1', request.method, request.path, request.time, request.nonce, request.bodySha256].join('\n')
}

/** An answer is bound to the nonce of its request, so that none can be replayed for another. */
export function answerText(answer: {
  readonly nonce: string
  readonly status: number
  readonly bodySha256: string
}): string {
  return ['slipway-answer-1', answer.nonce, String(answer.status), answer.bodySha256].join('\n')
}

/** Longest texts, in characters, and most notes; what is longer is cut by whoever sends it. */
export const WIRE_LIMITS = { code: 100, text: 4_000, progress: 500, notes: 50 } as const

const Hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const Commit = z.string().regex(/^[0-9a-f]{40}$/)
const InstantText = z.iso.datetime({ precision: 3 })
/** Both become parts of paths on the runner. */
const RepositoryId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)
const ClusterName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
const Base64 = z
  .string()
  .regex(/^[A-Za-z0-9+/]+={0,2}$/)
  .max(4096)
const ShortText = z.string().max(WIRE_LIMITS.text)
const StepId = z.string().min(1).max(300)

export const RepositoryOffer = z.strictObject({
  repository: RepositoryId,
  fullName: z.string().max(400),
  sshUrl: z.string().max(1000),
  branch: z.string().max(255),
  knownHosts: z.array(z.string().max(2000)).max(20),
})
export type RepositoryOffer = z.infer<typeof RepositoryOffer>

/** `POST /runner/v1/enroll`, authorized by the one-time token in the `authorization: Bearer` header. */
export const EnrollRequest = z.strictObject({
  wire: z.literal(WIRE),
  name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$/),
  /** Ed25519 public key, SPKI DER in base64. */
  signingKey: Base64,
  /** Read-only deploy key for the runner's own fetches, `ssh-ed25519 AAAA…`. */
  gitKey: z.string().max(1000),
})
export const EnrollAnswer = z.strictObject({
  wire: z.literal(WIRE),
  runner: z.string(),
  /** Ed25519 public key of the app, SPKI DER in base64: pinned by the runner from now on. */
  appKey: Base64,
  repositories: z.array(RepositoryOffer).max(100),
})
export type EnrollRequest = z.infer<typeof EnrollRequest>
export type EnrollAnswer = z.infer<typeof EnrollAnswer>

export const JobOrder = z.strictObject({
  id: z.string().max(100),
  repository: RepositoryId,
  cluster: ClusterName,
  commit: Commit,
  planner: z.int(),
  planDigest: Hex64,
  factsHash: Hex64.optional(),
  pull: z.int().positive().optional(),
  createdAt: InstantText,
  expiresAt: InstantText,
})

/** A job as signed by the app: the signature covers exactly the bytes of `order`. */
export const SignedJob = z.strictObject({
  /** Canonical JSON of the {@link JobOrder}. */
  order: z.string().max(10_000),
  fence: z.int().positive(),
  leaseUntil: InstantText,
  /** Ed25519 by the app's key over `slipway-job-1\n<fence>\n<order>`, base64. */
  signature: Base64,
})
export type SignedJob = z.infer<typeof SignedJob>

/** `POST /runner/v1/poll` */
export const PollRequest = z.strictObject({
  wire: z.literal(WIRE),
  version: z.string().max(50),
  planners: z.array(z.int()).max(5),
  /** Whether it can take a job now. */
  idle: z.boolean(),
  /** Hash of the newest facts document uploaded, per `repository/cluster`. */
  facts: z.record(z.string(), Hex64),
})
export const PollAnswer = z.strictObject({
  job: SignedJob.optional(),
  /** Clusters of which fresh facts are wanted: `repository/cluster` with the commit to read the spec at. */
  factsWanted: z.array(z.strictObject({ repository: RepositoryId, cluster: ClusterName, commit: Commit })).max(50),
  /** Ask again after this long. */
  paceMs: z.int().min(100).max(300_000),
  /** Why nothing is given although something waits (a version too old, say). */
  note: ShortText.optional(),
})
export type PollRequest = z.infer<typeof PollRequest>
export type PollAnswer = z.infer<typeof PollAnswer>

const Retry = z.enum(['now', 'later', 'never'])
export const ProblemJson = z.strictObject({
  code: z.string().max(WIRE_LIMITS.code),
  what: ShortText,
  where: ShortText.optional(),
  remedy: ShortText.optional(),
  retry: Retry,
})

const DiskFacts = z.strictObject({ volume: z.string().max(300), sizeGiB: z.number() })
const TaintJson = z.strictObject({
  key: z.string().max(320),
  value: z.string().max(63).optional(),
  effect: z.string().max(20),
})
const Labels = z.record(z.string().max(320), z.string().max(63))

export const FactsJson = z.strictObject({
  cluster: ClusterName,
  takenAt: InstantText,
  runner: z.string().max(100),
  machines: z.record(
    z.string().max(63),
    z.strictObject({
      vm: z
        .strictObject({
          connection: z.string().max(63).optional(),
          node: z.string().max(63),
          vmid: z.int(),
          owner: z.enum(['this-cluster', 'other-cluster', 'nobody']),
          name: z.string().max(255),
          cores: z.int(),
          memoryMiB: z.int(),
          disks: z.array(DiskFacts).max(50),
          running: z.boolean(),
          locked: z.string().max(63).optional(),
        })
        .optional(),
      host: z
        .strictObject({
          reachable: z.boolean(),
          hostKey: z.string().max(1000).optional(),
          os: z
            .strictObject({ id: z.string().max(40), version: z.string().max(40), arch: z.string().max(20) })
            .optional(),
          recipeDigest: Hex64.optional(),
          kubeadm: z.enum(['none', 'this-cluster', 'another']),
          kubeletVersion: z.string().max(60).optional(),
        })
        .optional(),
    }),
  ),
  images: z.record(z.string().max(300), z.array(z.string().max(300)).max(1000)),
  strays: z
    .array(
      z.strictObject({
        connection: z.string().max(63),
        node: z.string().max(63),
        vmid: z.int(),
        name: z.string().max(255),
        disks: z.array(DiskFacts).max(50),
      }),
    )
    .max(200),
  kubernetes: z
    .strictObject({
      version: z.string().max(60),
      nodes: z.record(
        z.string().max(253),
        z.strictObject({
          ready: z.boolean(),
          role: z.enum(['control-plane', 'worker']),
          kubeletVersion: z.string().max(60),
          address: z.string().max(63),
          labels: Labels,
          taints: z.array(TaintJson).max(100),
          unschedulable: z.boolean(),
          managedLabels: z.array(z.string().max(320)).max(200),
          managedTaints: z.array(z.string().max(320)).max(100),
        }),
      ),
      components: z.record(z.string().max(63), Hex64),
    })
    .optional(),
  gitops: z
    .strictObject({
      engine: z.enum(['flux', 'argocd', 'fleet']),
      version: z.string().max(60).optional(),
      installedDigest: Hex64.optional(),
      pointedDigest: Hex64.optional(),
      deployKey: z.strictObject({ fingerprint: z.string().max(100), registered: z.boolean() }).optional(),
      recipient: z.string().max(2100).optional(),
      status: z
        .strictObject({
          state: z.enum(['ready', 'progressing', 'failed', 'unknown']),
          commit: z.string().max(64).optional(),
          message: z.string().max(1000).optional(),
        })
        .optional(),
    })
    .optional(),
  artifacts: z.record(z.string().max(1000), Hex64),
})

/** `POST /runner/v1/facts` */
export const FactsUpload = z.strictObject({ repository: RepositoryId, facts: FactsJson })

const at = { seq: z.int().positive(), at: InstantText }
export const RunEventJson = z.discriminatedUnion('kind', [
  z.strictObject({ ...at, kind: z.literal('started'), runner: z.string().max(100), steps: z.int() }),
  z.strictObject({ ...at, kind: z.literal('step-started'), step: StepId }),
  z.strictObject({ ...at, kind: z.literal('step-progress'), step: StepId, text: z.string().max(WIRE_LIMITS.progress) }),
  z.strictObject({
    ...at,
    kind: z.literal('step-done'),
    step: StepId,
    outcome: z.enum(['applied', 'already']),
    tookMs: z.int(),
  }),
  z.strictObject({ ...at, kind: z.literal('step-failed'), step: StepId, problem: ProblemJson, tookMs: z.int() }),
  z.strictObject({ ...at, kind: z.literal('refused'), problem: ProblemJson }),
  z.strictObject({
    ...at,
    kind: z.literal('finished'),
    outcome: z.enum(['succeeded', 'stopped', 'cancelled']),
    facts: FactsJson.optional(),
    notes: z.array(ShortText).max(WIRE_LIMITS.notes),
  }),
])

/** `POST /runner/v1/jobs/:id/events`; an empty list only renews the lease. */
export const EventsRequest = z.strictObject({
  fence: z.int().positive(),
  events: z.array(RunEventJson).max(200),
  log: z.string().max(200_000).optional(),
})
/** `lost`: the lease is somebody else's or the job is over; the runner must stop at once, before its next effect. */
export const EventsAnswer = z.strictObject({
  lease: z.enum(['held', 'lost']),
  leaseUntil: InstantText.optional(),
  cancel: z.boolean(),
  acknowledged: z.int(),
})
export type EventsRequest = z.infer<typeof EventsRequest>
export type EventsAnswer = z.infer<typeof EventsAnswer>

/** `POST /runner/v1/deploy-keys`: a public key to register read-only for a cluster's engine. */
export const DeployKeyRequest = z.strictObject({
  job: z.string().max(100),
  fence: z.int().positive(),
  cluster: ClusterName,
  title: z.string().max(200),
  publicKey: z.string().max(1000),
})
export type DeployKeyRequest = z.infer<typeof DeployKeyRequest>
export const DeployKeyAnswer = z.strictObject({ id: z.string(), readOnly: z.literal(true) })

/** Every refusal: HTTP status 4xx or 5xx with this body. */
export const ErrorAnswer = z.strictObject({ problem: ProblemJson })
