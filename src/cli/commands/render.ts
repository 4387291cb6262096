import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { appsSeed } from '../../../templates/components/apps.ts'
import { blueprint } from '../../blueprint/blueprint.ts'
import { type Bundle, bundle, type BundleChange, bundleChanges } from '../../core/bundle.ts'
import { gitopsFolder } from '../../core/layout.ts'
import { terminalProblems } from '../../core/report/terminal.ts'
import type { ClusterSpec } from '../../core/spec/cluster-spec.ts'
import { noOrigin } from '../../forge/local/index.ts'
import { openWorkspace, readClusters, type Workspace } from '../clusters.ts'
import type { CommandSpec } from '../command.ts'

interface Rendered {
  readonly cluster: string
  readonly files: Bundle
  readonly changes: readonly BundleChange[]
}

export const render: CommandSpec<{ readonly check?: boolean; readonly stdout?: boolean }> = {
  name: 'render',
  arguments: '[cluster...]',
  argumentText: 'names of clusters; all of the repository when none is given',
  options: [
    ['--check', 'write nothing; exit with 2 when a file is missing, stale or left over'],
    ['--stdout', 'write nothing; print the files'],
  ],
  summary: 'write the files for the GitOps engine, `clusters/NAME/gitops/`',
  details:
    'The folder belongs to Slipway: files there that the cluster no longer implies are removed. A first `apps/` folder is written when there is none; nothing else is touched. The app does the same on pull requests.',
  output:
    "{ clusters: { cluster: string, changes: { path: string, change: 'added' | 'changed' | 'removed' }[], files?: Record<string, string> }[], written: boolean }",
  exits: { 0: 'the files are as they should be, or were written', 1: 'a problem', 2: 'with `--check`: files differ' },
  async run({ options, names, globals, terminal, say, json }) {
    const workspace = await openWorkspace(globals, terminal)
    const clusters = await readClusters(workspace, names)
    const problems = clusters.flatMap((cluster) => cluster.problems)
    if (problems.length > 0) {
      say(terminalProblems(problems))
      json({ problems })
      return 1
    }
    if (workspace.copy.repository === undefined) throw noOrigin(workspace.copy.root)
    const rendered = await Promise.all(
      clusters.flatMap(({ spec }) => (spec === undefined ? [] : [renderCluster(workspace, spec)])),
    )
    const written = options.check !== true && options.stdout !== true
    if (written) for (const one of rendered) write(workspace.copy.root, one)
    const changes = rendered.flatMap((one) => one.changes)
    if (options.stdout === true)
      for (const { files } of rendered) for (const [path, text] of files) say(`# ${path}\n${text}`)
    else {
      for (const { path, change } of changes) say(`  ${SIGNS[change]} ${path}\n`)
      say(summary(changes.length, written))
      if (written && changes.length > 0) say('Next: commit them; the engine reads the default branch.\n')
    }
    json({
      clusters: rendered.map(({ cluster, files, changes: found }) => ({
        cluster,
        changes: found,
        ...(options.stdout === true ? { files: Object.fromEntries(files) } : {}),
      })),
      written,
    })
    return options.check === true && changes.length > 0 ? 2 : 0
  },
}

const SIGNS = { added: '+', changed: '~', removed: '-' } as const

function summary(changes: number, written: boolean): string {
  if (changes === 0) return '✔ The files are up to date.\n'
  const files = `${changes} ${changes === 1 ? 'file' : 'files'}`
  return written ? `✔ ${files} written.\n` : `✖ ${files} to write: slipway render\n`
}

async function renderCluster(workspace: Workspace, spec: ClusterSpec): Promise<Rendered> {
  const apps = await workspace.paths(spec.gitops.apps)
  const files = bundle({
    ...Object.fromEntries(blueprint(spec).bundle),
    ...(apps.length === 0 ? Object.fromEntries(appsSeed(spec)) : {}),
  })
  const present = await workspace.read(await workspace.paths(gitopsFolder(spec)))
  return { cluster: spec.name, files, changes: bundleChanges(present, files) }
}

function write(root: string, { files, changes }: Rendered): void {
  for (const { path, change } of changes) {
    const target = join(root, path)
    if (change === 'removed') {
      rmSync(target)
      continue
    }
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, files.get(path) ?? '')
  }
}
