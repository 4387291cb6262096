import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fileKeystore, type Keystore } from '../../runner/keystore.ts'
import { coloured } from '../../src/cli/colour.ts'
import { asProblem, problemText, stackText } from '../../src/cli/failure.ts'
import { jobsOf, keepRun, readRun } from '../../src/cli/kept-run.ts'
import { limitedPlan } from '../../src/cli/limited-plan.ts'
import { progress } from '../../src/cli/progress.ts'
import { lockWriter } from '../../src/cli/writer-lock.ts'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import { noFacts } from '../../src/core/facts.ts'
import type { Plan } from '../../src/core/plan.ts'
import { planCluster } from '../../src/core/plan-cluster.ts'
import { Problem } from '../../src/core/problem.ts'
import type { RunEventBody } from '../../src/core/run-event.ts'
import { newSigningKey } from '../../src/secrets/signing.ts'
import { FILE, home, parse } from '../core/spec/home.ts'

const ROOT = join(import.meta.dirname, '../..')

function homePlan(): Plan {
  const { spec } = parse(home(), FILE)
  const { plan } = planCluster(spec!, blueprint(spec!), noFacts('home'))
  return plan!
}

describe('a part of a plan', () => {
  const plan = homePlan()

  test('holds the machine’s own steps and everything they wait for, in the same order', () => {
    const part = limitedPlan(plan, ['w-2'])
    const ids = new Set(part.steps.map(({ id }) => id))
    expect(ids).toContain('join-node/w-2')
    expect(ids).toContain('init-control-plane/cp-1')
    expect(ids).not.toContain('create-vm/w-1')
    expect(part.steps.every(({ after }) => after.every((id) => ids.has(id)))).toBe(true)
    expect(part.steps).toEqual(plan.steps.filter(({ id }) => ids.has(id)))
    expect(part.machines.find(({ machine }) => machine === 'w-1')).toMatchObject({
      change: 'untouched',
      summary: 'left out this time',
    })
    expect(part.digest).not.toBe(plan.digest)
  })

  test('of all machines leaves no machine’s step out', () => {
    const part = limitedPlan(plan, ['cp-1', 'w-1', 'w-2'])
    expect(
      plan.steps.filter(({ id, machine }) => machine !== undefined && !part.steps.some((step) => step.id === id)),
    ).toEqual([])
  })

  test('refuses a machine that the plan does not have', () => {
    expect(() => limitedPlan(plan, ['w-9'])).toThrow('cli.machine')
  })
})

describe('progress', () => {
  const plan = homePlan()
  const at = '2026-11-21T12:00:00.000Z'
  const show = (interactive: boolean, events: readonly RunEventBody[]): string => {
    let text = ''
    const view = progress(plan, {
      interactive,
      columns: 80,
      write: (part) => {
        text += part
      },
      now: () => Date.parse(at) + 4_000,
    })
    events.forEach((event, seq) => view.event({ ...event, seq, at }))
    view.end()
    return text
  }
  const events: readonly RunEventBody[] = [
    { kind: 'started', runner: 'here', steps: plan.steps.length },
    { kind: 'step-started', step: 'create-vm/w-1' },
    { kind: 'step-progress', step: 'create-vm/w-1', text: 'copying \u202Ethe disk' },
    { kind: 'step-done', step: 'create-vm/w-1', outcome: 'applied', tookMs: 4_200 },
    { kind: 'step-done', step: 'start-vm/w-1', outcome: 'already', tookMs: 65_000 },
    {
      kind: 'step-failed',
      step: 'join-node/w-1',
      tookMs: 100,
      problem: { code: 'kubeadm.preflight', what: 'swap is on', remedy: 'swapoff -a', retry: 'later' },
    },
    { kind: 'finished', outcome: 'stopped', notes: [] },
  ]

  test('without a terminal: each finished step is one line, columns steady', () => {
    const total = plan.steps.length
    const lines = show(false, events).split('\n')
    expect(lines[0]).toMatch(new RegExp(`^✔  1/${total}  w-1      created +4\\.2 s$`))
    expect(lines[1]).toMatch(new RegExp(`^✔  2/${total}  w-1      switched on already +1 min 05 s$`))
    expect(lines[0]!.indexOf('created')).toBe(lines[1]!.indexOf('switched'))
    expect(lines.slice(2)).toEqual([
      expect.stringMatching(/^✖ .*w-1 .*join-node\/w-1 stopped/),
      '    swap is on (kubeadm.preflight)',
      '    → swapoff -a',
      '',
    ])
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  })

  test('at a terminal: a text of its own stays above the live lines', () => {
    let text = ''
    const write = (part: string): void => {
      text += part
    }
    const view = progress(plan, { interactive: true, columns: 80, write, now: () => Date.parse(at) })
    view.event({ kind: 'step-started', step: 'create-vm/w-1', seq: 1, at })
    view.tell('two\nlines\n')
    view.end()
    // Only the live line is ever drawn over: one line up each time, never into the text.
    expect(text.split('\u001B[1A\u001B[J').map((part) => part.split('\n').length - 1)).toEqual([1, 3, 0])
  })

  test('at a terminal: live lines are drawn over, and are gone at the end', () => {
    const text = show(true, events)
    expect(text).toContain('◐        w-1      being created: copying \\u{202e}the disk')
    expect(text).toContain('\u001B[1A\u001B[J')
    expect(text.split('\u001B[J').at(-1)).not.toContain('◐')
  })
})

describe('one writer', () => {
  let folder: string
  let keys: Keystore
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipway-lock-'))
    keys = fileKeystore(folder)
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('the second one is told who works, and the fence rises with every lock', () => {
    const first = lockWriter(keys, 'home', 'noon')
    expect(first.fence).toBe(1)
    expect(() => lockWriter(keys, 'home', 'later')).toThrow(`process ${process.pid}, since noon`)
    using other = lockWriter(keys, 'lab', 'noon')
    expect(other.fence).toBe(1)
    first[Symbol.dispose]()
    using second = lockWriter(keys, 'home', 'later')
    expect(second.fence).toBe(2)
    expect(JSON.parse(readFileSync(join(folder, 'clusters/local/home/lock.json'), 'utf8'))).toEqual({
      pid: process.pid,
      fence: 2,
      since: 'later',
    })
    expect(statSync(join(folder, 'clusters/local/home/lock.sqlite')).mode & 0o777).toBe(0o600)
  })

  test('a process that dies leaves no lock behind', async () => {
    const script = `
      import { fileKeystore } from ${JSON.stringify(join(ROOT, 'runner/keystore.ts'))}
      import { lockWriter } from ${JSON.stringify(join(ROOT, 'src/cli/writer-lock.ts'))}
      lockWriter(fileKeystore(process.argv[1]), 'home', 'noon')
      process.stdout.write('locked')
      setInterval(() => undefined, 1000)
    `
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    expect(() => lockWriter(keys, 'home', 'later')).toThrow(`process ${child.pid}`)
    child.kill('SIGKILL')
    await once(child, 'exit')
    using lock = lockWriter(keys, 'home', 'later')
    expect(lock.fence).toBe(2)
  })
})

describe('kept runs', () => {
  test('are read back, also when the last line was cut short, and the oldest go', () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-runs-'))
    try {
      const keys = fileKeystore(folder)
      for (let n = 0; n < 55; n += 1) {
        const job = `20260101T0000${String(n).padStart(2, '0')}Z-home`
        const keep = keepRun(keys, { job, cluster: 'home', plan: 'ab'.repeat(32), steps: 3, startedAt: 'noon' })
        keep({ seq: 1, at: '2026-01-01T00:00:00.000Z', kind: 'started', runner: 'here', steps: 3 })
      }
      expect(jobsOf(keys)).toHaveLength(50)
      const [newest] = jobsOf(keys)
      expect(newest).toBe('20260101T000054Z-home')
      execFileSync('sh', ['-c', `printf '{"seq":2,"at' >> ${join(folder, 'runs', `${newest}.jsonl`)}`])
      expect(readRun(keys, newest!)?.events).toHaveLength(1)
      expect(readRun(keys, '../../etc/passwd')).toBeUndefined()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('failures', () => {
  test('a problem is shown with place and remedy, and without secrets', () => {
    const problem = new Problem({
      code: 'proxmox.refused',
      what: 'asking with PVEAPIToken=root@pam!x=0123',
      where: 'pve1',
      remedy: 'Look.',
      retry: 'never',
    })
    expect(problemText(asProblem(problem))).toBe(
      '✖ asking with PVEAPIToken=[token] (proxmox.refused)\n  at pve1\n  → Look.\n',
    )
  })

  test('a defect says that it is one, and keeps its stack for --debug', () => {
    const error = new TypeError('x is undefined', { cause: new Error('glpat-0123456789abcdefghij') })
    expect(asProblem(error)).toMatchObject({ code: 'cli.unexpected', what: 'x is undefined' })
    expect(stackText(error)).toContain('run-parts.test.ts')
    expect(stackText(error)).toContain('caused by: Error: [token]')
  })

  test('colours stand on signs only', () => {
    expect(coloured('✖ bad\n  → do\nplain ✖')).toBe('\u001B[31m✖\u001B[0m bad\n  \u001B[36m→\u001B[0m do\nplain ✖')
  })
})

describe('as a process', () => {
  test('the app stops when it is told to, with status 0', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-signal-'))
    try {
      const child = spawn(process.execPath, [join(ROOT, 'bin/slipway.js'), 'serve'], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: {
          ...process.env,
          SLIPWAY_SIGNING_KEY: await newSigningKey(),
          SLIPWAY_DATABASE: join(folder, 'app.sqlite'),
          SLIPWAY_PUBLIC_URL: 'http://127.0.0.1:1',
          SLIPWAY_LISTEN: '127.0.0.1:0',
          SLIPWAY_GITLAB_URL: 'http://127.0.0.1:1',
          SLIPWAY_GITLAB_TOKEN: 'glpat-0123456789abcdefghij',
          SLIPWAY_GITLAB_WEBHOOK_SECRET: '0123456789abcdef',
        },
      })
      let out = ''
      for await (const part of child.stdout.setEncoding('utf8')) {
        const asked = out.includes('"listening"')
        out += String(part)
        // Once: a second signal would end it at once.
        if (!asked && out.includes('"listening"')) child.kill('SIGTERM')
      }
      if (child.exitCode === null) await once(child, 'exit')
      expect([child.exitCode, child.signalCode]).toEqual([0, null])
      expect(out).toContain('"stopped"')
      expect(out).not.toContain('glpat-')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('bin/slipway.js runs, and its exit status is the command’s', () => {
    const bin = join(ROOT, 'bin/slipway.js')
    expect(execFileSync(process.execPath, [bin, 'version', '--json'], { encoding: 'utf8' })).toMatch(
      /^\{"slipway":"\d+\.\d+\.\d+"/,
    )
    const folder = mkdtempSync(join(tmpdir(), 'slipway-process-'))
    try {
      let status: unknown
      let err = ''
      try {
        execFileSync(process.execPath, [bin, 'plan'], { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
      } catch (error) {
        ;({ status, stderr: err } = error as { status: unknown; stderr: string })
      }
      expect(status).toBe(1)
      expect(err).toContain('cli.no-cluster')
      expect(err).not.toContain('\u001B')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
