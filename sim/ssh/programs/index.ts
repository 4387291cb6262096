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
