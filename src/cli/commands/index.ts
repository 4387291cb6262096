import type { AnyCommand } from '../command.ts'
import { apply } from './apply.ts'
import { doctor } from './doctor.ts'
import { init } from './init.ts'
import { kubeconfig } from './kubeconfig.ts'
import { logs } from './logs.ts'
import { plan } from './plan.ts'
import { render } from './render.ts'
import { runnerEnroll } from './runner-enroll.ts'
import { runnerList } from './runner-list.ts'
import { runnerRevoke } from './runner-revoke.ts'
import { runnerStart } from './runner-start.ts'
import { serve } from './serve.ts'
import { status } from './status.ts'
import { tokenCreate } from './token-create.ts'
import { validate } from './validate.ts'
import { version } from './version.ts'

/** Every command, in the order of help and reference. */
export const commands: readonly AnyCommand[] = [
  init,
  validate,
  plan,
  render,
  apply,
  status,
  logs,
  kubeconfig,
  doctor,
  runnerEnroll,
  runnerStart,
  runnerList,
  runnerRevoke,
  tokenCreate,
  serve,
  version,
]
