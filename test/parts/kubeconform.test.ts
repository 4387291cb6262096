import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import { ciliumWithEverything, sampleSpec } from '../renderers/sample.ts'
import { goProgram } from './go-program.ts'

const SCHEMAS = resolve('../shared/schemas')
const kubeconform = await goProgram('kubeconform', 'github.com/yannh/kubeconform/cmd/kubeconform', 'v0.8.0')
const missing =
  kubeconform.missing ??
  (existsSync(SCHEMAS) || process.env['CI'] !== undefined ? undefined : 'there are no schemas in ../shared')

const folder = mkdtempSync(join(tmpdir(), 'slipway-kubeconform-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Summary {
  readonly resources: readonly { readonly filename: string; readonly status: string; readonly msg: string }[]
  readonly summary: {
    readonly valid: number
    readonly invalid: number
    readonly errors: number
    readonly skipped: number
  }
}

/** What the program says of a folder of files. */
function judge(path: string): Summary {
  const args = [
    '-strict',
    '-summary',
    '-output',
    'json',
    '-schema-location',
    `${SCHEMAS}/kubernetes/v1.36-standalone-strict/{{.ResourceKind}}{{.KindSuffix}}.json`,
    '-schema-location',
    `${SCHEMAS}/crds-jsonschema/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json`,
    // Files for programs that run outside the cluster: they are no objects of it and have no schema of that form.
    '-skip',
    'kustomize.config.k8s.io/v1beta1/Kustomization',
    '-ignore-filename-pattern',
    'fleet\\.yaml$',
    path,
  ]
  try {
    return JSON.parse(execFileSync(kubeconform.path!, args, { encoding: 'utf8' })) as Summary
  } catch (error) {
    return JSON.parse((error as { readonly stdout: string }).stdout) as Summary
  }
}

describe.skipIf(missing !== undefined)(`the program kubeconform${missing === undefined ? '' : ` (${missing})`}`, () => {
  test.each([
    ['flux', undefined],
    ['flux', ciliumWithEverything],
    ['argocd', undefined],
    ['argocd', ciliumWithEverything],
    ['fleet', undefined],
    ['fleet', ciliumWithEverything],
  ] as const)('accepts every object of a bundle for %s (%#)', (engine, cni) => {
    const { bundle } = blueprint(sampleSpec(engine, cni))
    const root = mkdtempSync(join(folder, `${engine}-`))
    for (const [path, text] of bundle) {
      mkdirSync(join(root, dirname(path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    const { resources, summary } = judge(root)
    expect(resources).toEqual([])
    expect(summary).toMatchObject({ invalid: 0, errors: 0 })
    expect(summary.valid).toBeGreaterThan(0)
  })

  test('refuses an object with a field that does not exist', () => {
    const root = mkdtempSync(join(folder, 'wrong-'))
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, dta: {} }
    writeFileSync(join(root, 'wrong.yaml'), JSON.stringify(object))
    expect(judge(root).summary.invalid).toBe(1)
  })
})
