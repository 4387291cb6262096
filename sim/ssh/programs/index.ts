import type { Program } from '../program.ts'
import { err } from '../program.ts'
import { aptPrograms } from './apt.ts'
import { containerPrograms } from './container.ts'
import { cryptoPrograms } from './crypto.ts'
import { dpkgPrograms } from './dpkg.ts'
import { filePrograms } from './files.ts'
import { kernelPrograms } from './kernel.ts'
import { kubernetesPrograms } from './kubernetes.ts'
import { networkPrograms } from './network.ts'
import { shellPrograms } from './shell.ts'
import { systemPrograms } from './system.ts'

/** Where the files outside /usr/bin lead (see `Disk.program`). */
const runProgram: Program = (call) => {
  const [name = '', ...argv] = call.argv
  const program = programs[name]
  if (program === undefined) return err(`bash: ${name}: cannot execute: the simulator has no such program\n`, 126)
  return program({ ...call, name, argv })
}

/** What answers to a command name on a host. A program is there only when a file of its name is found through PATH. */
export const programs: Readonly<Record<string, Program>> = {
  ...shellPrograms,
  ...filePrograms,
  ...kernelPrograms,
  ...systemPrograms,
  ...aptPrograms,
  ...dpkgPrograms,
  ...containerPrograms,
  ...networkPrograms,
  ...cryptoPrograms,
  ...kubernetesPrograms,
  'run-program': runProgram,
}

/** Programs of every image that belong to no package of the model, in /usr/bin unless said otherwise. */
const IN_USR_BIN = [
  // Answered by the shell itself.
  ...['awk', 'base64', 'basename', 'cat', 'chmod', 'column', 'comm', 'cut', 'date', 'diff', 'dirname', 'du', 'echo'],
  ...['egrep', 'env', 'expand', 'expr', 'false', 'fgrep', 'file', 'find', 'fold', 'grep', 'gunzip', 'gzip', 'head'],
  ...['join', 'ln', 'md5sum', 'mkdir', 'mv', 'nl', 'od', 'paste', 'printenv', 'printf', 'pwd', 'readlink', 'rev', 'rm'],
  ...['rmdir', 'sed', 'seq', 'sha1sum', 'sha256sum', 'sleep', 'sort', 'split', 'strings', 'tac', 'tail', 'tar', 'tee'],
  ...['time', 'touch', 'tr', 'true', 'uniq', 'wc', 'which', 'zcat'],
  // Answered by this folder.
  ...[
    'arch',
    'bash',
    'chgrp',
    'chown',
    'cmp',
    'cp',
    'dash',
    'dd',
    'df',
    'findmnt',
    'flock',
    'getconf',
    'getent',
    'groups',
  ],
  ...['hostname', 'id', 'install', 'ionice', 'kill', 'logger', 'ls', 'lsblk', 'mktemp', 'mount', 'mountpoint', 'nice'],
  ...['nohup', 'nproc', 'realpath', 'setsid', 'sh', 'stat', 'stdbuf', 'sync', 'timeout', 'truncate', 'umount', 'uname'],
  ...['whoami', 'xargs', 'ssh-keygen', 'cloud-init'],
]
const IN_USR_SBIN = ['groupadd', 'halt', 'poweroff', 'reboot', 'shutdown', 'swapoff', 'swapon', 'useradd', 'usermod']

export function basePrograms(): string[] {
  return [...IN_USR_BIN.map((name) => `/usr/bin/${name}`), ...IN_USR_SBIN.map((name) => `/usr/sbin/${name}`)]
}
