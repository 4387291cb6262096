import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { STARTER, type StarterAnswers, starterCluster } from '../../../templates/starters/cluster.ts'
import { starterIgnore, starterPolicy, starterSops } from '../../../templates/starters/repository.ts'
import { appsSeed } from '../../../templates/components/apps.ts'
import { clusterFile, POLICY_FILE } from '../../core/layout.ts'
import { Problem } from '../../core/problem.ts'
import { terminalProblems } from '../../core/report/terminal.ts'
import { parseClusterSpec } from '../../core/spec/parse.ts'
import { openWorkingCopy } from '../../forge/local/working-copy.ts'
import { newAgeKey } from '../../secrets/age.ts'
import { NO_ORIGIN, workFolder } from '../clusters.ts'
import type { CommandSpec } from '../command.ts'
import { starterRunner } from '../starter-runner.ts'

/** Where the private half of a recovery key is put until a person has taken it somewhere safe; ignored by Git. */
const RECOVERY_FILE = '.slipway/recovery.agekey'

interface InitOptions {
  readonly engine?: string
  readonly connection?: string
  readonly node?: string
  readonly storage?: string
  readonly bridge?: string
  readonly gateway?: string
  readonly firstAddress?: string
  readonly firstId?: string
  readonly recovery?: string
}

export const init: CommandSpec<InitOptions> = {
  name: 'init',
  arguments: '[name]',
  argumentText: 'name of the cluster: lower-case letters, digits and hyphens; default: home',
  options: [
    ['--engine <engine>', '`flux`, `argocd` or `fleet`; default: flux'],
    ['--connection <name>', 'name of the Proxmox connection in runner.yaml; default: lab'],
    ['--node <name>', 'Proxmox node; default: pve1'],
    ['--storage <name>', 'Proxmox storage for disks; default: local-lvm'],
    ['--bridge <name>', 'Proxmox bridge; default: vmbr0'],
    ['--gateway <address>', 'gateway of the network; default: 10.4.0.1'],
    ['--first-address <address>', 'first of three addresses in a row, with its prefix; default: 10.4.0.11/24'],
    ['--first-id <id>', 'first of three VM ids in a row; default: 401'],
    ['--recovery <recipient>', 'age recipient (age1…) whose identity you keep; without it a pair is made'],
  ],
  summary: 'start a repository: a cluster to edit, the policy, what SOPS and Git need to know',
  details:
    'Writes `clusters/NAME/cluster.yaml`, a first `clusters/NAME/apps/`, `slipway.policy.yaml`, `.sops.yaml`, `runner.example.yaml`, and adds to `.gitignore`. Never overwrites a file: what is there stays as it is.',
  output: "{ cluster: string, files: { path: string, outcome: 'written' | 'extended' | 'kept' }[] }",
  exits: { 0: 'done', 1: 'a problem; nothing was written' },
  async run({ options, names, globals, terminal, say, json }) {
    const answers = answersOf(names[0], options)
    const copy = await openWorkingCopy(workFolder(globals, terminal))
    const text = starterCluster(answers)
    const file = clusterFile(answers.name)
    const { spec, problems } = parseClusterSpec(text, file, { repository: copy.repository ?? NO_ORIGIN })
    if (spec === undefined) {
      say(terminalProblems(problems))
      json({ problems })
      return 1
    }
    const target = (path: string): string => join(copy.root, path)
    const recovery = await recoveryRecipient(options.recovery, existsSync(target('.sops.yaml')))
    const sops = recovery === undefined ? undefined : starterSops(answers.name, recovery.recipient)
    const files: { path: string; outcome: 'written' | 'extended' | 'kept' }[] = []
    const put = (path: string, content: string, mode = 0o644): void => {
      files.push({ path, outcome: writeNew(target(path), content, mode) ? 'written' : 'kept' })
    }
    // First of all, so that no secret is ever seen by `git add`.
    files.push({ path: '.gitignore', outcome: extend(target('.gitignore'), starterIgnore()) })
    if (recovery?.identity !== undefined) put(RECOVERY_FILE, recovery.identity, 0o600)
    put(file, text)
    if (!existsSync(target(spec.gitops.apps))) for (const [path, content] of appsSeed(spec)) put(path, content)
    put(POLICY_FILE, starterPolicy())
    if (sops === undefined) files.push({ path: '.sops.yaml', outcome: 'kept' })
    else put('.sops.yaml', sops)
    put('runner.example.yaml', starterRunner(answers))

    for (const { path, outcome } of files)
      say(`  ${SIGNS[outcome]} ${path}${outcome === 'kept' ? ' (kept as it was)' : ''}\n`)
    if (files.some(({ path, outcome }) => path === RECOVERY_FILE && outcome === 'written'))
      say(`\n! ${RECOVERY_FILE} opens everything that is sealed here. Move it to a safe place off this machine.\n`)
    if (!copy.underGit) say('\nThis folder is under no Git yet: git init\n')
    else if (copy.repository === undefined)
      say('\nThere is no remote yet: git remote add origin git@github.com:OWNER/NAME.git\n')
    say(`\nNext: make ${file} yours, then run slipway validate\n`)
    json({ cluster: answers.name, files })
    return 0
  },
}

const SIGNS = { written: '+', extended: '~', kept: ' ' } as const

function answersOf(name: string | undefined, given: InitOptions): StarterAnswers {
  const engine = given.engine ?? STARTER.engine
  if (engine !== 'flux' && engine !== 'argocd' && engine !== 'fleet')
    throw wrong(`"${engine}" is no GitOps engine`, 'Use flux, argocd or fleet.')
  if (name !== undefined && !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
    throw wrong(`"${name}" is no name for a cluster`, 'Use lower-case letters, digits and hyphens, at most 63.')
  const word = (text: string | undefined, fallback: string): string => {
    if (text !== undefined && !/^[A-Za-z0-9][\w.-]{0,62}$/.test(text))
      throw wrong(`"${text}" is no name`, 'Use letters, digits, dots, hyphens and underscores.')
    return text ?? fallback
  }
  const address = (text: string | undefined, fallback: string, form: RegExp): string => {
    if (text !== undefined && !form.test(text))
      throw wrong(`"${text}" is no address of that form`, `Write one like ${fallback}.`)
    return text ?? fallback
  }
  const id = Number(given.firstId ?? STARTER.firstId)
  if (!Number.isInteger(id) || id < 100 || id > 999_999_997)
    throw wrong(`"${given.firstId}" is no VM id`, 'Proxmox takes 100 to 999999999.')
  return {
    name: name ?? STARTER.name,
    connection: word(given.connection, STARTER.connection),
    node: word(given.node, STARTER.node),
    storage: word(given.storage, STARTER.storage),
    bridge: word(given.bridge, STARTER.bridge),
    gateway: address(given.gateway, STARTER.gateway, /^\d+(?:\.\d+){3}$/),
    firstAddress: address(given.firstAddress, STARTER.firstAddress, /^\d+(?:\.\d+){3}\/\d+$/),
    firstId: id,
    engine,
  }
}

function wrong(what: string, remedy: string): Problem {
  return new Problem({ code: 'cli.option', what, remedy, retry: 'never' })
}

/** The recipient that a person keeps the identity of; nothing when `.sops.yaml` is there and says it already. */
async function recoveryRecipient(
  given: string | undefined,
  present: boolean,
): Promise<{ readonly recipient: string; readonly identity?: string } | undefined> {
  if (present) return undefined
  if (given !== undefined) {
    if (/^age1[02-9ac-hj-np-z]{58}$/.test(given)) return { recipient: given }
    // Not quoted: people mix up the two halves, and the other one is a secret.
    throw wrong('the value of --recovery is no age recipient', 'Give the public half, which begins with age1.')
  }
  const pair = await newAgeKey()
  return { recipient: pair.recipient, identity: `# public key: ${pair.recipient}\n${pair.identity}\n` }
}

function writeNew(path: string, content: string, mode: number): boolean {
  mkdirSync(dirname(path), { recursive: true })
  try {
    writeFileSync(path, content, { flag: 'wx', mode })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** Adds the lines that a file does not have yet; comments come along with the lines that they stand above. */
function extend(path: string, wanted: string): 'written' | 'extended' | 'kept' {
  if (writeNew(path, wanted, 0o644)) return 'written'
  const present = readFileSync(path, 'utf8')
  const lines = new Set(present.split(/\r?\n/).map((line) => line.trim()))
  const missing = wanted.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !lines.has(line))
  if (missing.length === 0) return 'kept'
  appendFileSync(path, `${present === '' || present.endsWith('\n') ? '' : '\n'}# slipway\n${missing.join('\n')}\n`)
  return 'extended'
}
