import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openScreen } from './screen.ts'
import { openSite, type Site } from './site.ts'
import { firstFiles, tellStory, type EngineName } from './story.ts'

const USAGE = `npm run tour -- [options]

  --forge github|gitlab        where the repository is (github)
  --engine flux|argocd|fleet   the GitOps engine (flux)
  --port N                     port of the app (a free one)
  --keep                       leave everything running at the end, until Ctrl-C
  --plain                      no colours, no moving lines
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      forge: { type: 'string', default: 'github' },
      engine: { type: 'string', default: 'flux' },
      port: { type: 'string', default: '0' },
      keep: { type: 'boolean', default: false },
      plain: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const { forge, engine } = values
  if ((forge !== 'github' && forge !== 'gitlab') || !isEngine(engine) || !/^\d{1,5}$/.test(values.port)) {
    process.stderr.write(USAGE)
    return 1
  }
  for (const program of ['git', 'ssh']) {
    if (!isThere(program)) {
      process.stderr.write(
        `The tour needs ${program === 'git' ? 'git' : 'the OpenSSH client (ssh)'}, and it is not on this machine.\n`,
      )
      return 1
    }
  }

  const started = Date.now()
  const screen = openScreen(process.stdout, values.plain)
  const folder = mkdtempSync(join(tmpdir(), 'slipway-tour-'))
  let site: Site | undefined
  let over = false
  let stopped = false
  const interrupted = new Promise<void>((done) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const)
      process.once(name, () => {
        over = true
        done()
      })
  })
  try {
    screen.say(
      `A ${forge === 'github' ? 'GitHub' : 'GitLab'}, a Proxmox VE with two nodes, a LAN with machines to be, the Slipway app and a runner: each a process of its own on this machine, speaking its real protocol. Nothing leaves it.`,
    )
    site = await openSite({ forge, folder, port: Number(values.port) }, resolve(import.meta.dirname, '..'), firstFiles)
    await Promise.race([tellStory(site, screen, engine), interrupted])
    if (over) return 130
    const seconds = Math.round((Date.now() - started) / 1_000)
    screen.chapter('✔', `Told in ${seconds} s. What exists now`)
    screen.say(
      `repository  ${site.forge.apiUrl} (${forge}), house/homelab, four machines described in clusters/home/cluster.yaml`,
    )
    screen.say(`app         ${site.appUrl}, its SQLite file and everything else in ${folder}`)
    screen.say('cluster     home: 1 control plane, 3 workers, on a simulated Proxmox')
    if (!values.keep)
      screen.say('All of it ends with the tour; `npm run tour -- --keep` leaves it running to look around.')
    screen.say('')
    screen.say('Next, for machines of your own:')
    screen.say('  npx slipway init            a starter spec, policy and runner.yaml in your repository')
    screen.say('  npx slipway plan            what it would do, from the text alone')
    screen.say('  docs/tutorials              a real Proxmox with a GitHub App or a GitLab token')
    if (values.keep) {
      screen.say('')
      screen.say('Everything keeps running (--keep). Ctrl-C ends it.')
      await interrupted
    }
    return 0
  } catch (error) {
    stopped = true
    screen.settle()
    process.stderr.write(
      `\nThe tour stopped: ${error instanceof Error ? error.message : String(error)}\nWhat each process said is in ${join(folder, 'log')}\n`,
    )
    return 1
  } finally {
    await site?.close()
    // What the processes said is kept when something went wrong.
    if (!stopped) rmSync(folder, { recursive: true, force: true })
  }
}

function isEngine(text: string): text is EngineName {
  return text === 'flux' || text === 'argocd' || text === 'fleet'
}

function isThere(program: string): boolean {
  try {
    execFileSync(program, [program === 'git' ? '--version' : '-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

process.exitCode = await main()
