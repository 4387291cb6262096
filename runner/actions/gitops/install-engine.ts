import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { awaitWorkloads, installComponent } from './install.ts'
import { readRecord, writeRecord } from './record.ts'

/** Several images of some hundred megabytes come over a home connection. */
const TIMEOUT_MS = 20 * 60_000

export const installEngine: Action<'install-engine', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    const record = await readRecord(await lan.kube())
    return record.get('engine.name') === step.engine && record.get('engine.installed') === step.componentsDigest
      ? 'done'
      : 'needed'
  },
  async apply(step, lan, context) {
    // Upstream's manifests bring objects of their own (Argo CD's known hosts) over those that pointing has changed.
    if ((await readRecord(await lan.kube())).has('engine.pointed'))
      await writeRecord(await lan.kube(), { 'engine.pointed': null })
    for (const component of step.components) {
      context.progress(`applying ${component.name} ${step.version}`)
      const objects = await installComponent(component, step, lan, context)
      await awaitWorkloads(objects, component.namespace, lan, context)
    }
    await writeRecord(await lan.kube(), {
      'engine.name': step.engine,
      'engine.version': step.version,
      'engine.installed': step.componentsDigest,
    })
  },
}
