import { Problem } from '../../../src/core/problem.ts'
import { sshFingerprint } from '../../../src/secrets/ssh-key.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'

const TIMEOUT_MS = 180_000
/** A registered key works at the forge's SSH servers within seconds. */
const PROBE_FOR_MS = 60_000
const PROBE_AGAIN_MS = 2_000

/** The key is proved by a fetch before any cluster depends on it. */
export const registerDeployKey: Action<'register-deploy-key', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(_step, lan) {
    const registered = lan.keys.registeredKey()
    if (registered === undefined) return 'needed'
    return registered === (await sshFingerprint((await lan.keys.deployKey()).publicKey)) ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    const { publicKey } = await lan.keys.deployKey()
    const fingerprint = await sshFingerprint(publicKey)
    // The fingerprint in the title lets a person tell two keys of one cluster apart.
    await lan.forge.registerDeployKey(
      `${step.title} ${fingerprint.slice('SHA256:'.length, 'SHA256:'.length + 8)}`,
      publicKey,
    )
    const until = lan.clock.now() + PROBE_FOR_MS
    for (;;) {
      try {
        await lan.forge.probeDeployKey()
        break
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'git.unreachable' || lan.clock.now() > until) throw error
        context.progress('registered; waiting until the forge lets it in')
        await lan.clock.sleep(PROBE_AGAIN_MS, context.signal)
      }
    }
    lan.keys.recordRegisteredKey(fingerprint)
  },
}
