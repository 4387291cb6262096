import type { RunnerConfig } from '../../../runner/config.ts'
import { blueprint } from '../../blueprint/blueprint.ts'
import { count } from '../../core/report/plan-summary.ts'
import { visible } from '../../core/report/escape.ts'
import type { ClusterSpec } from '../../core/spec/cluster-spec.ts'
import { openWorkspace, readClusters } from '../clusters.ts'
import type { CommandSpec } from '../command.ts'
import { type Finding, looking } from '../doctor/finding.ts'
import { programFindings } from '../doctor/programs.ts'
import { findRunnerConfig } from '../runner-file.ts'

/** The app answers its health page at once. */
const APP_TIMEOUT_MS = 10_000

export const doctor: CommandSpec<unknown> = {
  name: 'doctor',
  arguments: '[cluster...]',
  argumentText: 'names of clusters; all of the repository when none is given',
  summary: 'look whether this machine has and reaches what it needs; changes nothing',
  details:
    'Programs, `runner.yaml`, the app, each Proxmox with the privileges of its token and its storages, existing hosts over SSH, clocks.',
  output:
    "{ findings: { about: string, state: 'fine' | 'warning' | 'problem' | 'not-looked-at', what: string, remedy?: string }[] }",
  exits: { 0: 'nothing stands in the way', 1: 'something does' },
  async run({ names, globals, terminal, say, json }) {
    const workspace = await openWorkspace(globals, terminal)
    const findings: Finding[] = []
    const show = (found: readonly Finding[]): void => {
      findings.push(...found)
      for (const finding of found) say(findingText(finding))
    }
    let config: RunnerConfig | undefined
    const settings = await looking('runner.yaml', async () => {
      config = findRunnerConfig(workspace.copy.root, globals, terminal)
      return [
        config === undefined
          ? { about: 'runner.yaml', state: 'not-looked-at', what: 'there is none here, so no machine is looked at' }
          : { about: 'runner.yaml', state: 'fine', what: `${config.file} can be read` },
      ]
    })
    const specs: ClusterSpec[] = []
    const clusters = await looking('clusters', async () => {
      const read = await readClusters(workspace, names)
      specs.push(...read.flatMap(({ spec }) => spec ?? []))
      return read.map(({ cluster, problems }) =>
        problems.length === 0
          ? { about: `cluster ${cluster}`, state: 'fine', what: 'its file has no problems' }
          : {
              about: `cluster ${cluster}`,
              state: 'problem',
              what: `its file has ${count(problems.length, 'problem')}`,
              remedy: `slipway validate ${cluster}`,
            },
      )
    })
    const helm = config?.tools.helm
    show(await programFindings({ needed: specs.some(hasCharts), ...(helm === undefined ? {} : { path: helm }) }))
    show(settings)
    show(clusters)
    if (config?.app !== undefined) show(await looking('app', () => appFindings(config?.app ?? '')))
    if (config !== undefined) for (const spec of specs) await lookAround(spec, config, show)
    json({ findings })
    const bad = findings.filter(({ state }) => state === 'problem').length
    say(
      bad === 0
        ? '\n✔ Nothing stands in the way.\n'
        : `\n✖ ${bad} ${bad === 1 ? 'thing stands' : 'things stand'} in the way.\n`,
    )
    return bad === 0 ? 0 : 1
  },
}

const SIGNS = { fine: '✔', warning: '!', problem: '✖', 'not-looked-at': '·' } as const

function findingText({ about, state, what, remedy }: Finding): string {
  return `${SIGNS[state]} ${about}: ${visible(what)}\n${remedy === undefined ? '' : `  → ${visible(remedy)}\n`}`
}

function hasCharts(spec: ClusterSpec): boolean {
  const { components, engine } = blueprint(spec)
  return [...components.filter(({ owner }) => owner === 'runner'), ...engine.install].some(
    ({ source }) => source.from === 'chart',
  )
}

async function appFindings(app: string): Promise<readonly Finding[]> {
  const url = new URL('/healthz', app)
  const answer = await fetch(url, { signal: AbortSignal.timeout(APP_TIMEOUT_MS), redirect: 'error' }).catch(
    () => undefined,
  )
  if (answer?.ok === true) return [{ about: 'app', state: 'fine', what: `${url.origin} answers` }]
  const what =
    answer === undefined ? `${url.origin} does not answer` : `${url.origin} answers with HTTP ${answer.status}`
  return [
    {
      about: 'app',
      state: 'problem',
      what,
      remedy: 'See whether the app runs and its address in runner.yaml is right.',
    },
  ]
}

async function lookAround(
  spec: ClusterSpec,
  config: RunnerConfig,
  show: (found: readonly Finding[]) => void,
): Promise<void> {
  const { withLan } = await import('../lan-session.ts')
  const { proxmoxFindings } = await import('../doctor/proxmox.ts')
  const { hostFindings } = await import('../doctor/hosts.ts')
  await withLan(config, spec, { fence: 0 }, async (lan) => {
    if (Object.keys(spec.providers).length > 0) show(await looking('proxmox', () => proxmoxFindings(spec, lan, config)))
    show(await looking('hosts', () => hostFindings(spec, lan)))
  })
}
