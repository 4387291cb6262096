import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { installComponent } from './install.ts'
import { readRecord, writeRecord } from './record.ts'

const TIMEOUT_MS = 10 * 60_000

export const applyComponent: Action<'apply-component', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    return (await readRecord(await lan.kube())).get(`component.${step.component.name}`) === step.componentDigest
      ? 'done'
      : 'needed'
  },
  async apply(step, lan, context) {
    await installComponent(step.component, step, lan, context)
    await writeRecord(await lan.kube(), { [`component.${step.component.name}`]: step.componentDigest })
  },
}
