import * as z from 'zod'
import type { Plan } from './plan.ts'
import type { FileProblem } from './problem.ts'
import { flatten, nameKnownFields, schemaProblems } from './spec/schema-problem.ts'
import { dnsLabel, duration } from './spec/notation.ts'
import { readSource } from './spec/source-text.ts'
import { IMPACTS, type Impact, worse } from './step.ts'

/**
 * `slipway.policy.yaml` at the root of a repository: who may do what. It is read from the default branch only, so a pull
 * cannot loosen its own rules. Every field has a default, and the defaults are those of a repository without the file.
 */
export const policyDocument = z
  .strictObject({
    apiVersion: z.literal('slipway.dev/v1alpha1').describe('Version of this format.'),
    kind: z.literal('Policy').describe('Always `Policy`.'),
    spec: z
      .strictObject({
        apply: z
          .strictObject({
            permission: z
              .enum(['write', 'admin'])
              .default('write')
              .describe('Least permission on the forge, at that moment, for `/slipway apply` and `cancel`.'),
            people: z
              .array(z.string().min(1).max(100))
              .max(100)
              .default([])
              .describe('When not empty: only these logins, and they still need the permission.'),
            onMerge: z
              .union([z.literal('never'), z.enum(IMPACTS).exclude(['data-loss'])])
              .default('reboot')
              .describe(
                'The gravest impact on a machine that merging alone may have; worse plans wait for `/slipway apply`. `never`: every plan waits.',
              ),
            protectedClusters: z
              .array(dnsLabel)
              .max(200)
              .default([])
              .describe('Clusters whose plans always wait for `/slipway apply`, whatever their impact.'),
          })
          .prefault({})
          .describe('When and by whom a merged plan runs.'),
        destroy: z
          .strictObject({
            allowed: z.boolean().default(true).describe('Whether anything may be destroyed at all.'),
            approvals: z
              .int()
              .min(1)
              .max(5)
              .default(2)
              .describe('People who must agree to a plan that destroys something; the one who asks counts.'),
            coolingOff: duration.default('10m').describe('Time between the last approval and the start.'),
          })
          .prefault({})
          .describe('Plans that destroy machines, disks or volumes. They never run on merge alone.'),
        bundles: z
          .strictObject({
            commit: z
              .boolean()
              .default(true)
              .describe("Commit the rendered bundle to a pull's branch. Off: the check is red until you commit it."),
          })
          .prefault({})
          .describe('The files for the GitOps engine.'),
      })
      .prefault({})
      .describe('The rules.'),
  })
  .describe('Who may do what with the clusters of this repository.')

export type Policy = z.output<typeof policyDocument>['spec']

/** The policy of a repository that has no file. */
export const DEFAULT_POLICY: Policy = policyDocument.parse({ apiVersion: 'slipway.dev/v1alpha1', kind: 'Policy' }).spec

/**
 * @param text - Content of the file on the default branch; `undefined` when it is not there: the defaults.
 * @returns The policy only when there is no problem. Callers must not fall back to the defaults then: they may be looser.
 */
export function parsePolicy(
  text: string | undefined,
  file: string,
): { readonly policy?: Policy; readonly problems: readonly FileProblem[] } {
  if (text === undefined) return { policy: DEFAULT_POLICY, problems: [] }
  const read = readSource(text, file)
  if (!('source' in read)) return { problems: read.problems }
  const result = policyDocument.safeParse(read.source.value, { error: nameKnownFields })
  if (result.success) return { policy: result.data.spec, problems: [] }
  return { problems: flatten(result.error.issues).flatMap((issue) => schemaProblems(issue, read.source)) }
}

/** `undefined` when merging alone may run this plan, else why it waits, as the end of a sentence. */
export function whyMergeWaits(
  policy: Policy,
  plan: Pick<Plan, 'cluster' | 'machines' | 'steps' | 'destroys'>,
): string | undefined {
  const { onMerge, protectedClusters } = policy.apply
  if (plan.destroys.length > 0) return 'it destroys something'
  if (onMerge === 'never') return 'the policy lets no plan run on merge alone'
  if (protectedClusters.includes(plan.cluster)) return `the policy protects ${plan.cluster}`
  const gravest = [...plan.machines, ...plan.steps].reduce<Impact>((so, { impact }) => worse(so, impact), 'nothing')
  if (gravest === 'data-loss' || IMPACTS.indexOf(gravest) > IMPACTS.indexOf(onMerge))
    return `its gravest impact is ${gravest}, and the policy lets merges run up to ${onMerge}`
  return undefined
}

/** Whether a person may ask for a run. @param level - Their permission on the forge at this moment. */
export function mayApply(policy: Policy, login: string, level: 'none' | 'read' | 'write' | 'admin'): boolean {
  const levels = ['none', 'read', 'write', 'admin']
  const { people, permission } = policy.apply
  const named = people.length === 0 || people.some((one) => one.toLowerCase() === login.toLowerCase())
  return named && levels.indexOf(level) >= levels.indexOf(permission)
}
