import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { fetchArchive, readChart } from './chart.ts'
import { render } from './render.ts'

/** The release of helm whose command line this follows. */
const VERSION = 'v3.19.2'

export interface Outcome {
  readonly output: string
  readonly error: string
  readonly code: number
}

/** One command line of helm; anything that the stand-in does not know ends with a message and code 1. */
export async function helm(argv: readonly string[], stdin: () => Promise<string>): Promise<Outcome> {
  try {
    return { output: await run(argv, stdin), error: '', code: 0 }
  } catch (error) {
    return { output: '', error: `Error: ${(error as Error).message}\n`, code: 1 }
  }
}

function run(argv: readonly string[], stdin: () => Promise<string>): Promise<string> | string {
  const [command, ...rest] = argv
  switch (command) {
    case 'version':
      return version(rest)
    case 'template':
      return template(rest, stdin)
    case 'pull':
      return pull(rest)
    case undefined:
    default:
      throw new Error(`"helm ${command ?? ''}" is not known to this stand-in, which has version, template and pull`)
  }
}

function version(argv: readonly string[]): string {
  const { values } = parseArgs({ args: [...argv], options: { short: { type: 'boolean' } } })
  return values.short === true ? `${VERSION}+gsimulated\n` : `version.BuildInfo{Version:"${VERSION}"}\n`
}

async function template(argv: readonly string[], stdin: () => Promise<string>): Promise<string> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      repo: { type: 'string' },
      version: { type: 'string' },
      namespace: { type: 'string', short: 'n', default: 'default' },
      values: { type: 'string', short: 'f', multiple: true, default: [] },
      'include-crds': { type: 'boolean', default: false },
      'skip-tests': { type: 'boolean' },
      'no-hooks': { type: 'boolean' },
      'kube-version': { type: 'string' },
      'api-versions': { type: 'string', short: 'a', multiple: true },
    },
  })
  const [name, chartName, ...more] = positionals
  if (name === undefined || chartName === undefined || more.length > 0) {
    throw new Error('"helm template" requires a release name and a chart')
  }
  const { bytes } = await fetchArchive(chartName, { repo: values.repo, version: values.version })
  const given = await Promise.all(
    values.values.map(
      async (file) =>
        (parse(file === '-' ? await stdin() : readFileSync(file, 'utf8')) ?? {}) as Record<string, unknown>,
    ),
  )
  return render(readChart(bytes), { name, namespace: values.namespace }, given, values['include-crds'])
}

async function pull(argv: readonly string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      repo: { type: 'string' },
      version: { type: 'string' },
      destination: { type: 'string', short: 'd', default: '.' },
    },
  })
  const [chartName, ...more] = positionals
  if (chartName === undefined || more.length > 0) throw new Error('"helm pull" requires one chart')
  const { file, bytes } = await fetchArchive(chartName, { repo: values.repo, version: values.version })
  writeFileSync(join(values.destination, file), bytes)
  return ''
}
