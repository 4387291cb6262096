import { setTimeout as sleep } from 'node:timers/promises'
import type { SimComment, SimPull } from '../sim/forge.ts'
import { starterCluster, STARTER } from '../templates/starters/cluster.ts'
import { starterPolicy } from '../templates/starters/repository.ts'
import { commentLines } from './comment.ts'
import type { Screen } from './screen.ts'
import { REPOSITORY, type Site } from './site.ts'

export type EngineName = 'flux' | 'argocd' | 'fleet'

/** No chapter takes this long unless something is wrong. */
const PATIENCE_MS = 120_000
const LOOK_MS = 200
const FILE = 'clusters/home/cluster.yaml'
const ENGINES = { flux: 'Flux', argocd: 'Argo CD', fleet: 'Fleet' } as const

export const firstFiles: Readonly<Record<string, string>> = {
  'README.md': '# My homelab\n',
  'slipway.policy.yaml': starterPolicy(),
}

export async function tellStory(site: Site, screen: Screen, engine: EngineName): Promise<void> {
  const pullWord = site.forge.kind === 'github' ? 'pull request' : 'merge request'
  const spec = clusterText(engine, site.mirror)

  screen.chapter('a', `A ${pullWord} adds a cluster`)
  screen.act(
    `ada opens a ${pullWord} with ${FILE}: one control plane, two workers, kubeadm, Flannel, ${ENGINES[engine]}.`,
  )
  const first = await site.forge.openPull(REPOSITORY, {
    branch: 'home-cluster',
    files: { [FILE]: spec },
    title: 'Add the home cluster',
    author: 'ada',
  })
  const plan = await planComment(site, first)
  screen.quote(`comment by Slipway on #${first.number}`, commentLines(plan.body))
  const bundle = (await changedFiles(site, first)).filter((path) => path.includes('/gitops/'))
  screen.done(
    `The ${ENGINES[engine]} files are committed to the branch for review: ${bundle.length} of them under clusters/home/gitops/.`,
  )

  screen.chapter('b', 'Merge it, and the cluster appears')
  screen.act(
    'ada merges. The runner on the LAN, which only dials out, fetches the commit, plans it again itself, and begins.',
  )
  await site.forge.merge(REPOSITORY, first.number, 'ada')
  const ran = await runComment(site, first.number, screen, ended)
  screen.quote(`comment by Slipway on #${first.number}`, commentLines(ran.body))
  must(/: done/.test(ran.body), 'the cluster was not finished', ran.body)
  await showNodes(site, screen)
  await showKeys(site, screen)
  await showEngine(site, screen, engine)

  screen.chapter('c', 'One more worker, one label — and the runner dies in the middle')
  screen.act('ada asks for a third worker and gives the workers a label.')
  const second = await site.forge.openPull(REPOSITORY, {
    branch: 'more',
    files: { [FILE]: withThirdWorker(spec) },
    title: 'A third worker',
    author: 'ada',
  })
  screen.quote(`comment by Slipway on #${second.number}`, commentLines((await planComment(site, second)).body))
  const before = await effects(site)
  await site.forge.merge(REPOSITORY, second.number, 'ada')
  await runComment(site, second.number, screen, (body) => /, [2-9] of \d+ steps/.test(body) || ended(body))
  screen.act(
    `Power loss: the runner (process ${site.runner.pid}) is killed in the middle of its work. Another start takes over.`,
  )
  await site.runner.kill()
  site.runner = await site.startRunner()
  const again = await runComment(site, second.number, screen, ended)
  screen.quote(`comment by Slipway on #${second.number}`, commentLines(again.body))
  must(/: done/.test(again.body), 'the job was not finished by the second runner', again.body)
  await showNodes(site, screen)
  const after = await effects(site)
  must(
    after.joins === before.joins + 1 && after.inits === 1,
    'something was done twice',
    JSON.stringify({ before, after }),
  )
  screen.done(
    `Nothing doubled: kubeadm init ran ${after.inits} time, kubeadm join ran ${after.joins} times for ${after.joins} workers.`,
  )

  screen.chapter('d', `A ${pullWord} with mistakes`)
  screen.act('ada mistypes a field, puts the pods into her own LAN, and asks for a version that does not exist.')
  const broken = await site.forge.openPull(REPOSITORY, {
    branch: 'mistakes',
    files: { [FILE]: withMistakes(spec) },
    title: 'Mistakes',
    author: 'ada',
  })
  await planComment(site, broken)
  const annotations = await until('annotations', async () => {
    const found = await site.forge.annotations(REPOSITORY, broken.headSha)
    return found.length > 0 ? found : undefined
  })
  screen.quote(
    site.forge.kind === 'github'
      ? 'annotations of the check, each on its line'
      : 'discussions, each on its line of the diff',
    annotations.map(
      ({ path, line, column, message }) =>
        `\`${path}:${line}${column === undefined ? '' : `:${column}`}\`  ${message
          .replaceAll(/<!--.*?-->/g, '')
          .replaceAll('**', '')
          .replaceAll('`', '')
          .replaceAll(/\s+/g, ' ')
          .trim()}`,
    ),
  )
  screen.done(`${annotations.length} problems at once; the check is red and nothing can run.`)

  screen.chapter('e', 'A stranger sends one from a fork')
  const polls = await connections(site)
  const fork = await site.forge.fork(REPOSITORY, 'mallory')
  screen.act(`mallory, who has no rights here, asks for a fourth worker from ${fork.fullName}.`)
  const strange = await site.forge.openPull(REPOSITORY, {
    branch: 'free-machine',
    files: { [FILE]: spec.replace('w-{1..2}', 'w-{1..4}') },
    title: 'More machines please',
    author: 'mallory',
    from: fork.fullName,
  })
  screen.quote(`comment by Slipway on #${strange.number}`, commentLines((await planComment(site, strange)).body))
  must((await connections(site)) === polls, 'the machines were contacted for a pull from a fork', '')
  screen.done(
    'Planned from its text alone: no machine was contacted, nothing that was seen of the machines is shown, nothing committed.',
  )

  screen.chapter('f', 'Nothing to change')
  screen.act('ada adds a comment line to the spec.')
  const idle = await site.forge.openPull(REPOSITORY, {
    branch: 'words',
    files: { [FILE]: `# The cluster in the closet.\n${withThirdWorker(spec)}` },
    title: 'Words only',
    author: 'ada',
  })
  screen.quote(`comment by Slipway on #${idle.number}`, commentLines((await planComment(site, idle)).body))
}

/** The starter that `slipway init` writes, with the mirrors of this simulated, air-gapped site. */
function clusterText(engine: EngineName, mirror: string): string {
  return `${starterCluster({ ...STARTER, engine })}  mirrors:
    manifests:
      https://github.com: ${mirror}/github.com
      https://raw.githubusercontent.com: ${mirror}/raw.githubusercontent.com
    charts:
      https://rancher.github.io: ${mirror}/rancher.github.io
`
}

function withThirdWorker(spec: string): string {
  return spec
    .replace('w-{1..2} # two machines', 'w-{1..3} # three machines')
    .replace('    - name: w-{1..3}', '    - name: w-{1..3}')
    .replace(
      /( {4}- name: w-\{1\.\.3\}[\s\S]*?disk: 60GiB\n)/,
      (group) => `${group}      labels: { homelab/shelf: upper }\n`,
    )
}

function withMistakes(spec: string): string {
  return spec
    .replace('      memory: 4GiB', '      memroy: 4GiB')
    .replace('version: 1.36', 'version: 1.99')
    .replace('pods: 10.244.0.0/16', 'pods: 10.4.0.0/16')
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > end) throw new Error(`waited ${PATIENCE_MS / 1_000} s for ${what}`)
    await sleep(LOOK_MS)
  }
}

/** The plan comment once the check of the pull's newest commit has come to an end. */
async function planComment(site: Site, pull: SimPull): Promise<SimComment> {
  return until(`the plan comment on #${pull.number}`, async () => {
    const now = await site.forge.pull(REPOSITORY, pull.number)
    const checks = await site.forge.checks(REPOSITORY, now.headSha)
    if (!checks.some(({ name, state }) => name.startsWith('slipway') && state !== 'queued' && state !== 'running'))
      return undefined
    return (await site.forge.comments(REPOSITORY, pull.number)).find(
      ({ byApp, body }) => byApp && body.includes('slipway:plan'),
    )
  })
}

const ended = (body: string): boolean => /### .*: (done|stopped|cancelled|refused)/.test(body)

async function runComment(
  site: Site,
  number: number,
  screen: Screen,
  enough: (body: string) => boolean,
): Promise<SimComment> {
  let shown = ''
  const found = await until(`the run of #${number}`, async () => {
    const comment = (await site.forge.comments(REPOSITORY, number)).find(
      ({ byApp, body }) => byApp && body.includes('slipway:run'),
    )
    if (comment === undefined) return undefined
    if (comment.body !== shown) {
      shown = comment.body
      screen.live(
        commentLines(comment.body).filter((line) => line !== '' && !line.startsWith('▸') && !line.startsWith('plan ')),
      )
    }
    return enough(comment.body) ? comment : undefined
  })
  screen.settle()
  return found
}

async function changedFiles(site: Site, pull: SimPull): Promise<readonly string[]> {
  const now = await site.forge.pull(REPOSITORY, pull.number)
  const candidates = [
    'kustomization.yaml',
    'flux-system/gotk-sync.yaml',
    'argocd/root.yaml',
    'fleet/gitrepo.yaml',
    'components/apps.yaml',
    'components/apps/fleet.yaml',
    'runner/flannel/objects.yaml',
    'runner/flannel/kustomization.yaml',
    'runner/flannel/fleet.yaml',
  ]
  const present = await Promise.all(
    candidates.map(async (name) => ({
      path: `clusters/home/gitops/${name}`,
      text: await site.forge.readFile(REPOSITORY, now.headSha, `clusters/home/gitops/${name}`),
    })),
  )
  return present.filter(({ text }) => text !== undefined).map(({ path }) => path)
}

async function kubectl(site: Site, ...argv: readonly string[]): Promise<string> {
  const { stdout } = await site.lan<{ readonly stdout: string }>({ call: 'kubectl', endpoint: '10.4.0.11:6443', argv })
  return stdout.trimEnd()
}

async function showNodes(site: Site, screen: Screen): Promise<void> {
  screen.quote('kubectl get nodes', (await kubectl(site, 'get', 'nodes')).split('\n'))
}

async function showKeys(site: Site, screen: Screen): Promise<void> {
  const keys = await site.forge.deployKeys(REPOSITORY)
  screen.quote(
    'deploy keys of the repository',
    keys.map(({ title, readOnly }) => `${readOnly ? 'read-only ' : 'may write '} ${title}`),
  )
  must(keys.length >= 2 && keys.every(({ readOnly }) => readOnly), 'a deploy key may write', JSON.stringify(keys))
}

async function showEngine(site: Site, screen: Screen, engine: EngineName): Promise<void> {
  const kinds = {
    flux: ['gitrepositories.source.toolkit.fluxcd.io,kustomizations.kustomize.toolkit.fluxcd.io', 'flux-system'],
    argocd: ['applications.argoproj.io', 'argocd'],
    fleet: ['gitrepos.fleet.cattle.io', 'fleet-local'],
  } as const
  const [kind, namespace] = kinds[engine]
  const objects = await Promise.all(kind.split(',').map((one) => kubectl(site, 'get', one, '-n', namespace)))
  screen.quote(
    `what ${ENGINES[engine]} says in the cluster`,
    objects.flatMap((text) => text.split('\n')),
  )
  const welcome = await until('the repository to reach the cluster', async () =>
    (await kubectl(site, 'get', 'configmap', 'slipway-welcome', '-n', 'default', '-o', 'name').catch(() => '')) === ''
      ? undefined
      : true,
  )
  if (welcome) screen.done(`clusters/home/apps of the repository is on the cluster: ConfigMap default/slipway-welcome.`)
}

/** How often the commands that must happen once have happened, as the simulated hosts counted them. */
async function effects(site: Site): Promise<{ readonly inits: number; readonly joins: number }> {
  const { hosts } = await site.lan<{ readonly hosts: readonly { readonly name: string }[] }>({ call: 'overview' })
  const done = (
    await Promise.all(hosts.map(({ name }) => site.lan<readonly unknown[]>({ call: 'mutations', host: name })))
  )
    .flat()
    .map((entry) => (typeof entry === 'string' ? entry : JSON.stringify(entry)))
  return {
    inits: done.filter((line) => line.startsWith('kubeadm init')).length,
    joins: done.filter((line) => line.startsWith('kubeadm join')).length,
  }
}

async function connections(site: Site): Promise<number> {
  const { hosts } = await site.lan<{ readonly hosts: readonly { readonly name: string }[] }>({ call: 'overview' })
  return (
    await Promise.all(hosts.map(({ name }) => site.lan<readonly unknown[]>({ call: 'commands', host: name })))
  ).reduce((sum, list) => sum + list.length, 0)
}

function must(held: boolean, what: string, seen: string): void {
  if (!held) throw new Error(`${what}\n${seen}`)
}
