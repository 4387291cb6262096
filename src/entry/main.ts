import { Problem } from '../core/problem.ts'
import { readConfig, secretsOf } from './config.ts'
import { jsonLog } from './log.ts'
import { serve } from './node.ts'

/** `node src/entry/main.ts`: the app alone, set up by the environment, until SIGTERM or SIGINT. */
async function main(): Promise<void> {
  const config = readConfig(process.env)
  const log = jsonLog((line) => process.stdout.write(line), secretsOf(config))
  const serving = await serve(config, log)
  let stopping = false
  const stop = (): void => {
    // A second signal ends the process at once.
    if (stopping) process.exit(1)
    stopping = true
    serving.stop().catch((error: unknown) => log.error('stopping', { error }))
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

try {
  await main()
} catch (error) {
  if (!(error instanceof Problem)) throw error
  process.stderr.write(`✖ ${error.what} (${error.code})\n${error.remedy === undefined ? '' : `  → ${error.remedy}\n`}`)
  process.exitCode = 1
}
