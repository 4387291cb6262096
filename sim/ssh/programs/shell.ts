import type { Login } from '../login.ts'
import { loginEnv } from '../login.ts'
import type { Answer, Call, Program } from '../program.ts'
import { err, out, quoteAll, switches } from '../program.ts'

const SECURE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const TIMED_OUT = 124

/** `bash` and `sh`: a script from `-c`, a file or standard input, in a shell of its own. */
const bash: Program = async (call) => {
  const options: string[] = []
  const argv = [...call.argv]
  let command = false
  let fromInput = false
  while (argv.length > 0 && /^[-+]./.test(argv[0]!)) {
    const word = argv.shift()!
    if (word === '--') break
    if (word === '--version') return out('GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\n')
    if (word.startsWith('--')) continue
    for (const letter of word.slice(1)) {
      if (letter === 'c') command = true
      else if (letter === 's') fromInput = true
      else if (letter === 'o') options.push(argv.shift() ?? '')
      else if (letter !== 'l' && letter !== 'i') options.push(letter)
    }
  }
  if (command) {
    const [script, ...args] = argv
    if (script === undefined) return err(`${call.name}: -c: option requires an argument\n`, 2)
    return call.run({ script, options, args: args.length > 0 ? args : [call.name] })
  }
  if (fromInput || argv.length === 0) {
    const script = Buffer.from(call.stdin, 'latin1').toString('utf8')
    return call.run({ script, options, args: [call.name, ...argv], stdin: '' })
  }
  const path = argv[0]!
  const file = call.files.resolvePath(call.cwd, path)
  if (!(await call.files.exists(file))) return err(`${call.name}: ${path}: No such file or directory\n`, 127)
  return call.run({ script: await call.files.readFile(file), options, args: argv })
}

/** Non-interactive sudo as cloud images set it up: the members of group sudo may do everything, without a password. */
const sudo: Program = async (call) => {
  const argv = [...call.argv]
  let user = 'root'
  let loginShell = false
  let keep = false
  const set: Record<string, string> = {}
  while (argv.length > 0) {
    const word = argv[0]!
    const assignment = /^([A-Za-z_]\w*)=(.*)$/s.exec(word)
    if (assignment !== null) set[assignment[1]!] = assignment[2]!
    else if (word === '-u' || word === '-g') {
      argv.shift()
      if (word === '-u') user = argv[0] ?? 'root'
    } else if (word === '-i' || word === '-s') loginShell = true
    else if (word === '-E' || word === '--preserve-env' || word.startsWith('--preserve-env=')) keep = true
    else if (word === '--') {
      argv.shift()
      break
    } else if (!word.startsWith('-')) break
    else if (word === '-v' || word === '-k' || word === '-K') return mayBecomeRoot(call) ? out() : passwordNeeded()
    else if (word === '-l') return mayBecomeRoot(call) ? out('    (ALL) NOPASSWD: ALL\n') : passwordNeeded()
    argv.shift()
  }
  if (call.login.uid !== 0 && !mayBecomeRoot(call)) return passwordNeeded()
  const target: Login | undefined = user === 'root' ? call.host.root : call.host.login(user)
  if (target === undefined)
    return err(`sudo: unknown user ${user}\nsudo: error initializing audit plugin sudoers_audit\n`)
  const env = {
    ...loginEnv(target),
    ...(keep ? call.env : {}),
    PATH: SECURE_PATH,
    SUDO_USER: call.login.name,
    SUDO_UID: String(call.login.uid),
    ...set,
  }
  const child = { login: target, env, ...(loginShell ? { cwd: target.home } : {}) }
  if (argv.length === 0 && !loginShell) return err('usage: sudo -h | -K | -k | -V\n')
  if (argv.length === 0) return call.run({ ...child, script: Buffer.from(call.stdin, 'latin1').toString(), stdin: '' })
  const program = argv[0]!
  const found = program.includes('/')
    ? await call.files.exists(call.files.resolvePath(call.cwd, program))
    : SECURE_PATH.split(':').some((dir) => call.host.disk.find(`${dir}/${program}`) !== undefined)
  if (!found) return err(`sudo: ${program}: command not found\n`)
  return call.run({ ...child, script: quoteAll(argv) })
}

function mayBecomeRoot({ host, login }: Call): boolean {
  if (login.uid === 0) return true
  return host.disk
    .names('/etc/sudoers.d')
    .some((name) =>
      new RegExp(`^${login.name}\\s+ALL=.*NOPASSWD`, 'm').test(host.disk.text(`/etc/sudoers.d/${name}`) ?? ''),
    )
}

const passwordNeeded = (): Answer => err('sudo: a password is required\n')

const timeout: Program = async (call) => {
  const { rest } = splitOwnSwitches(call.argv, ['-s', '-k', '--signal', '--kill-after'])
  const [limit, ...command] = rest
  const amount = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(limit ?? '')
  if (amount === null || command.length === 0) return err(`timeout: invalid time interval '${limit ?? ''}'\n`, 125)
  const unitMs = { '': 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[amount[2] as '' | 's' | 'm' | 'h' | 'd']
  const stop = new AbortController()
  let timedOut = false
  const signal = call.signal === undefined ? stop.signal : AbortSignal.any([call.signal, stop.signal])
  const running = call.run({ script: quoteAll(command), signal })
  const expiry = call.host.clock.sleep(Number(amount[1]) * unitMs).then(() => {
    timedOut = true
    stop.abort()
    return undefined
  })
  const answer = await Promise.race([running, expiry])
  if (answer !== undefined) return answer
  const partial = await running
  return timedOut ? { stdout: partial.stdout, stderr: partial.stderr, exit: TIMED_OUT } : partial
}

/** Switches up to the first word that is none; what follows belongs to the command. */
export function splitOwnSwitches(
  argv: readonly string[],
  valued: readonly string[],
): {
  readonly flags: ReadonlySet<string>
  readonly values: ReadonlyMap<string, readonly string[]>
  readonly rest: readonly string[]
} {
  let at = 0
  while (at < argv.length && argv[at]!.startsWith('-') && argv[at] !== '--') at += valued.includes(argv[at]!) ? 2 : 1
  const own = switches(argv.slice(0, at), valued)
  return { flags: own.flags, values: own.values, rest: argv.slice(argv[at] === '--' ? at + 1 : at) }
}

/** `nohup`, `setsid`, `nice`, `ionice`, `stdbuf`: run the rest of the line. */
const through: Program = (call) => {
  const { rest } = splitOwnSwitches(call.argv, ['-n', '-c', '-p', '-o', '-e', '-i'])
  return rest.length === 0 ? out() : call.run({ script: quoteAll(rest) })
}

/** Locks are always free: the scripts of one host run in turn here, and a holder that ended holds nothing. */
const flock: Program = async (call) => {
  const { flags, rest } = splitOwnSwitches(call.argv, ['-w', '--timeout', '-E'])
  const [target, ...command] = rest
  if (target === undefined) return err('flock: requires file descriptor, file or directory\n', 64)
  if (/^\d+$/.test(target) && command.length === 0) return out()
  const path = call.files.resolvePath(call.cwd, target)
  if (!(await call.files.exists(path))) await call.files.writeFile(path, '')
  const shellCommand = flags.has('-c') ? command[0] : command[0] === '-c' ? command[1] : undefined
  return call.run({ script: shellCommand ?? quoteAll(command) })
}

const kill: Program = (call) => {
  const { rest, flags, values } = splitOwnSwitches(call.argv, ['-s'])
  const asked = values.get('-s')?.[0] ?? [...flags].map((flag) => flag.slice(1)).join('')
  const named = { '9': 'KILL', '15': 'TERM', '2': 'INT', '1': 'HUP', '': 'TERM' }[asked] ?? asked.replace(/^SIG/, '')
  const word = call.argv.find((each) => /^-\d+$/.test(each))
  const signal =
    word === undefined ? named : ({ '-9': 'KILL', '-15': 'TERM', '-2': 'INT', '-1': 'HUP' }[word] ?? 'TERM')
  for (const pid of rest) {
    if (Number(pid) === call.shell.pid) call.shell.kill(signal)
    else if (asked !== '0') return err(`bash: kill: (${pid}) - No such process\n`)
  }
  return out()
}

const trap: Program = (call) => {
  const [body, ...signals] = call.argv
  if (signals.includes('EXIT') || signals.includes('0'))
    call.shell.exitTrap = body === '-' || body === '' ? undefined : body
  return out()
}

/** `--push` and `--pop` are put around subshells by `completeScript`. */
const umask: Program = (call) => {
  const [verb, status] = call.argv
  if (verb === '--push') {
    call.shell.umasks.push(call.files.umask)
    return out()
  }
  if (verb === '--pop') {
    call.files.umask = call.shell.umasks.pop() ?? call.files.umask
    return out('', Number(status))
  }
  const mask = call.argv.find((word) => !word.startsWith('-'))
  if (mask === undefined) return out(`${call.files.umask.toString(8).padStart(4, '0')}\n`)
  if (!/^[0-7]{1,4}$/.test(mask)) return err(`bash: umask: ${mask}: octal number out of range\n`)
  call.files.umask = Number.parseInt(mask, 8)
  return out()
}

/**
 * `--start` stands for `&` (see `completeScript`): the job runs in a shell of its own, without this one's functions,
 * and nobody waits for it or sees what it says.
 */
const disown: Program = (call) => {
  const [verb, script] = call.argv
  if (verb === '--start' && script !== undefined)
    void call.run({ script, stdin: '', signal: call.host.powerSignal }).catch(() => undefined)
  return out()
}

const BUILTINS: ReadonlySet<string> = new Set(
  '. : [ alias bg break cd command continue declare echo eval exec exit export false fg getopts hash jobs kill let local printf pwd read readonly return set shift source test times trap true type ulimit umask unalias unset wait'.split(
    ' ',
  ),
)

/** Stands for `command -v` and `type` (see `completeScript`); functions of the script are not known to it. */
const locateCommand: Program = (call) => {
  const brief = call.argv.some((word) => /^-[vpP]$/.test(word))
  let stdout = ''
  let stderr = ''
  let missing = false
  for (const word of call.argv.filter((each) => !/^-\w$/.test(each))) {
    const path = word.includes('/')
      ? [call.files.resolvePath(call.cwd, word)]
      : (call.env['PATH'] ?? '').split(':').map((dir) => `${dir}/${word}`)
    const found = path.find((each) => {
      const entry = call.host.disk.find(each)
      return entry?.kind === 'file' && (entry.mode & 0o111) !== 0
    })
    if (BUILTINS.has(word)) stdout += brief ? `${word}\n` : `${word} is a shell builtin\n`
    else if (found !== undefined) stdout += brief ? `${found}\n` : `${word} is ${found}\n`
    else {
      missing = true
      if (!brief) stderr += `bash: line 1: type: ${word}: not found\n`
    }
  }
  return { stdout, stderr, exit: missing ? 1 : 0 }
}

const xargs: Program = async (call) => {
  const { flags, values, rest } = splitOwnSwitches(
    call.argv.flatMap((word) => (/^-[nIPLd]./.test(word) ? [word.slice(0, 2), word.slice(2)] : [word])),
    ['-n', '-I', '-P', '-L', '-d'],
  )
  const text = Buffer.from(call.stdin, 'latin1').toString('utf8')
  const replace = values.get('-I')?.[0]
  const separator =
    flags.has('-0') || flags.has('--null') ? /\0/ : values.has('-d') || replace !== undefined ? /\n/ : /\s+/
  const words = text.split(separator).filter((word) => word !== '')
  if (words.length === 0 && (flags.has('-r') || flags.has('--no-run-if-empty') || replace !== undefined)) return out()
  const command = rest.length === 0 ? ['echo'] : rest
  const size = replace === undefined ? Number(values.get('-n')?.[0] ?? values.get('-L')?.[0] ?? Infinity) : 1
  const total = { stdout: '', stderr: '', exit: 0 }
  for (let at = 0; at < Math.max(words.length, 1); at += size) {
    const part = words.slice(at, Number.isFinite(size) ? at + size : undefined)
    const line =
      replace === undefined ? [...command, ...part] : command.map((word) => word.replaceAll(replace, part[0] ?? ''))
    const answer = await call.run({ script: quoteAll(line), stdin: '' })
    total.stdout += answer.stdout
    total.stderr += answer.stderr
    if (answer.exit !== 0) total.exit = 123
    if (!Number.isFinite(size)) break
  }
  return total
}

export const shellPrograms: Readonly<Record<string, Program>> = {
  bash,
  sh: bash,
  dash: bash,
  sudo,
  timeout,
  nohup: through,
  setsid: through,
  nice: through,
  ionice: through,
  stdbuf: through,
  flock,
  kill,
  trap,
  umask,
  ulimit: () => out('unlimited\n'),
  jobs: () => out(),
  disown,
  'locate-command': locateCommand,
  xargs,
  logger: () => out(),
  sync: () => out(),
}
