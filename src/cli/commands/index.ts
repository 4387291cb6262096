import type { AnyCommand } from '../command.ts'
import { apply } from './apply.ts'
import { init } from './init.ts'
import { plan } from './plan.ts'
import { render } from './render.ts'
import { validate } from './validate.ts'
import { version } from './version.ts'

/** Every command, in the order of help and reference. */
export const commands: readonly AnyCommand[] = [init, validate, plan, render, apply, version]
