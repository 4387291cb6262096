import { writeFileSync, renameSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import type { RunnerConfig } from '../../../runner/config.ts'
import { readIdentity } from '../../../runner/identity.ts'
import { fileKeystore } from '../../../runner/keystore.ts'
import { clusterFolder } from '../../../runner/lan/file-keys.ts'
import { Problem } from '../../core/problem.ts'
import { LOCAL } from '../../forge/local/index.ts'
import { openWorkingCopy } from '../../forge/local/working-copy.ts'
import { workFolder } from '../clusters.ts'
import type { CommandSpec } from '../command.ts'
import { needRunnerConfig } from '../runner-file.ts'

export const kubeconfig: CommandSpec<{ readonly output?: string; readonly force?: boolean }> = {
  name: 'kubeconfig',
  arguments: '<cluster>',
  argumentText: 'name of the cluster',
  options: [
    ['-o, --output <file>', 'write a file that only you can read, instead of standard output'],
    ['--force', 'replace the file when it is there'],
  ],
  summary: "print the administrator's way into a cluster",
  details:
    'Runs where the cluster was made: on the runner, or where `slipway apply` ran. Whoever has this text has the whole cluster.',
  output: '{ cluster: string, file?: string, kubeconfig?: string }',
  exits: { 0: 'printed or written', 1: 'a problem' },
  async run({ options, names, globals, terminal, say, note, json }) {
    const cluster = names[0] ?? ''
    const { root } = await openWorkingCopy(workFolder(globals, terminal))
    const text = keptKubeconfig(needRunnerConfig(root, globals, terminal), cluster)
    if (options.output === undefined) {
      say(text)
      json({ cluster, kubeconfig: text })
      return 0
    }
    const file = resolve(terminal.folder, options.output)
    writePrivate(file, text, options.force === true)
    note(`✔ ${file}\n\nNext: kubectl --kubeconfig ${file} get nodes\n`)
    json({ cluster, file })
    return 0
  },
}

/** Of the repositories that this keystore works for, the local one first. */
function keptKubeconfig(config: RunnerConfig, cluster: string): string {
  const keys = fileKeystore(config.state)
  const repositories = [LOCAL.id, ...(readIdentity(keys)?.repositories ?? []).map(({ repository }) => repository)]
  const found = new Set<string>()
  // The name of a cluster is a folder's name; what is none has no file either.
  if (/^[a-z0-9-]{1,63}$/.test(cluster))
    for (const repository of repositories) {
      const text = keys.read(`${clusterFolder(repository, cluster)}/kubeconfig`)
      if (text !== undefined) found.add(text)
    }
  const [text] = found
  if (text !== undefined && found.size === 1) return text
  throw new Problem(
    found.size === 0
      ? {
          code: 'kube.no-credentials',
          what: `there is no kubeconfig of "${cluster}" in ${keys.folder}`,
          remedy: 'It is kept by the runner that made the cluster: run this there, or after slipway apply.',
          retry: 'later',
        }
      : {
          code: 'kube.ambiguous',
          what: `several repositories have a cluster "${cluster}" here`,
          remedy: `See ${keys.folder}/clusters for each.`,
          retry: 'never',
        },
  )
}

function writePrivate(file: string, text: string, force: boolean): void {
  const staged = `${file}.${process.pid}.new`
  try {
    writeFileSync(force ? staged : file, text, { flag: 'wx', mode: 0o600 })
    if (force) renameSync(staged, file)
  } catch (cause) {
    if (force) rmSync(staged, { force: true })
    const present = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    throw new Problem(
      {
        code: 'cli.output',
        what: present ? `${file} is there already` : `writing ${file}`,
        ...(present ? { remedy: 'Give --force to replace it.' } : {}),
        retry: 'never',
      },
      { cause },
    )
  }
}
