import { sshFingerprint } from '../../../src/secrets/ssh-key.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { readRecord, writeRecord } from './record.ts'

const TIMEOUT_MS = 5 * 60_000

export const pointEngine: Action<'point-engine', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    const record = await readRecord(await lan.kube())
    const fingerprint = await sshFingerprint((await lan.keys.deployKey()).publicKey)
    return record.get('engine.pointed') === step.objectsDigest && record.get('engine.key') === fingerprint
      ? 'done'
      : 'needed'
  },
  async apply(step, lan, context) {
    const kube = await lan.kube()
    const deployKey = await lan.keys.deployKey()
    const ageIdentity = step.ageIdentity ? (await lan.keys.ageKey()).identity : undefined
    // Secrets first: an engine that finds none reports a failure that a reader would take for a real one.
    await kube.apply(
      lan.engine.credentials(lan.spec, { deployKey, ...(ageIdentity === undefined ? {} : { ageIdentity }) }),
      { signal: context.signal },
    )
    await kube.apply(step.objects, { signal: context.signal })
    await writeRecord(kube, {
      'engine.pointed': step.objectsDigest,
      'engine.key': await sshFingerprint(deployKey.publicKey),
    })
  },
}
