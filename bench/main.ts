import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { measurePlan } from './plan.ts'
import { measureWebhook } from './webhook.ts'

/** Goal for the app's compute share of webhook → comment, 95th percentile, ten nodes. */
const GOAL_MS = 150
const SIZES = [10, 100, 1_000] as const

/** Most requests that one pull may cause at a forge. A rise fails the bench: more of them is a decision, not an accident. */
const Budget = z.strictObject({ reads: z.int(), writes: z.int() })
const Budgets = z.strictObject({ github: Budget, gitlab: Budget })

const { values } = parseArgs({ options: { requests: { type: 'boolean', default: false } } })
const budgets = Budgets.parse(JSON.parse(readFileSync(join(import.meta.dirname, 'budget.json'), 'utf8')))

console.log('spec text → plan, bundle and comment')
const sizes = SIZES.map(measurePlan)
for (const { nodes, steps, medianMs } of sizes) {
  const ratio = medianMs / (sizes[0]?.medianMs ?? Number.NaN)
  console.log(
    `  ${`${nodes}`.padStart(5)} nodes: ${medianMs.toFixed(1)} ms, ${steps} steps, ${ratio.toFixed(1)} × 10 nodes`,
  )
}

console.log('webhook → comment, check and bundle commit, 10 nodes')
for (const forge of ['github', 'gitlab'] as const) {
  const { computeMs, wallMs, reads, writes, requests } = await measureWebhook(forge)
  const p95 = at(computeMs, 0.95)
  const goal = p95 <= GOAL_MS ? 'within' : 'over'
  console.log(
    `  ${forge}: compute p50 ${at(computeMs, 0.5).toFixed(0)} ms, p95 ${p95.toFixed(0)} ms (${goal} the goal of ${GOAL_MS} ms); until all is shown p95 ${at(wallMs, 0.95).toFixed(0)} ms`,
  )
  const budget = budgets[forge]
  console.log(`    ${reads} reads (budget ${budget.reads}), ${writes} writes (budget ${budget.writes})`)
  if (values.requests) for (const [name, count] of requests) console.log(`      ${count} × ${name}`)
  if (reads > budget.reads || writes > budget.writes) {
    console.log(`    ✖ more requests than bench/budget.json allows; \`npm run bench -- --requests\` lists them`)
    process.exitCode = 1
  }
}

function at(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
