import type { FileProblem } from '../../problem.ts'
import { type Check, type Draft, problemAt } from '../draft.ts'
import { valueAt } from '../schema-problem.ts'
import type { Path } from '../source-text.ts'

/** Labels that other programs keep on nodes; Slipway neither sets nor removes them. */
const KEPT_BY_OTHERS = [
  { suffix: 'kubernetes.io', owner: 'Kubernetes' },
  { suffix: 'k8s.io', owner: 'Kubernetes' },
  { suffix: 'nvidia.com', owner: "NVIDIA's components" },
  { suffix: 'slipway.dev', owner: 'Slipway' },
] as const
/** Set by the GPU parts of the cluster. */
const KEPT_NAMES = new Set(['accelerator', 'gpu-type'])
/** The one key below these domains that people commonly set, by kubectl; it is only a name for listings. */
const ALLOWED = /^node-role\.kubernetes\.io\/[a-z0-9-]+$/

/** Labels and taints of nodes that are not the spec's to set. */
export const nodeMarks: Check = (draft) =>
  entriesOf(draft).flatMap(({ path, name, labels, taints }) => [
    ...Object.keys(labels).flatMap((key): readonly FileProblem[] => {
      const owner = ownerOfLabel(key)
      if (owner === undefined) return []
      return [
        problemAt(
          draft,
          [...path, 'labels', key],
          [
            'spec.protected-label',
            `label "${key}" on "${name}" belongs to ${owner}`,
            'Use a prefix of your own, or none.',
          ],
          'key',
        ),
      ]
    }),
    ...taints.flatMap((text, i): readonly FileProblem[] => {
      const key = text.split(/[=:]/)[0] ?? ''
      const place = [...path, 'taints', i]
      if (taints.findIndex((other) => sameTaint(other, text)) < i)
        return [
          problemAt(draft, place, [
            'spec.taint-twice',
            `taint "${text}" on "${name}" stands there twice`,
            'Keep one of the two.',
          ]),
        ]
      if (!key.startsWith('node.kubernetes.io/') && !key.startsWith('slipway.dev/')) return []
      return [
        problemAt(draft, place, [
          'spec.protected-taint',
          `taint "${key}" on "${name}" is set by ${key.startsWith('slipway') ? 'Slipway' : 'Kubernetes'} when a node has trouble`,
          'Use a key of your own.',
        ]),
      ]
    }),
  ])

function ownerOfLabel(key: string): string | undefined {
  if (KEPT_NAMES.has(key)) return 'the GPU components'
  const [prefix, name] = key.split('/')
  if (name === undefined || prefix === undefined || ALLOWED.test(key)) return undefined
  return KEPT_BY_OTHERS.find(({ suffix }) => prefix === suffix || prefix.endsWith(`.${suffix}`))?.owner
}

/** Same key and effect: the API server takes only one value for them. */
function sameTaint(a: string, b: string): boolean {
  const parts = (text: string) => [text.split(/[=:]/)[0], text.split(':').at(-1)].join(':')
  return parts(a) === parts(b)
}

/** Machine entries as written, so that a range is reported once. */
function entriesOf(draft: Draft) {
  const seen = new Map<
    string,
    { path: Path; name: string; labels: Readonly<Record<string, string>>; taints: readonly string[] }
  >()
  for (const machine of draft.spec.machines) {
    const path = draft.placeOf(machine)
    const key = path.join('.')
    if (seen.has(key)) continue
    const taints = valueAt(draft.source.value, [...path, 'taints'])
    seen.set(key, {
      path,
      name: String(valueAt(draft.source.value, [...path, 'name'])),
      labels: machine.labels,
      taints: Array.isArray(taints) ? taints.map(String) : [],
    })
  }
  return [...seen.values()]
}
