import type { Check } from '../draft.ts'
import { addresses } from './addresses.ts'
import { combinations } from './combinations.ts'
import { endpoint } from './endpoint.ts'
import { machines } from './machines.ts'
import { names } from './names.ts'
import { nodeMarks } from './node-marks.ts'
import { versions } from './versions.ts'

/** Every rule that a schema cannot say, family by family. */
export const checks: readonly Check[] = [names, machines, addresses, endpoint, versions, nodeMarks, combinations]
