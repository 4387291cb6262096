import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { helmTemplate } from '../../runner/lan/helm.ts'
import { content } from '../../sim/mirror/content.ts'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import type { Component } from '../../src/core/component.ts'
import { ciliumWithEverything, sampleSpec } from '../renderers/sample.ts'
import { goProgram } from './go-program.ts'

const helm = await goProgram('helm', 'helm.sh/helm/v3/cmd/helm', 'v3.22.0')
const STAND_IN = join(import.meta.dirname, '../../sim/helm/helm.js')

const charts = [...content()].filter(([path]) => path.endsWith('.tgz'))
/** Values that clusters give to a chart, beside none at all. */
const componentsWithCharts = [sampleSpec('flux', ciliumWithEverything), sampleSpec('fleet')]
  .map(blueprint)
  .flatMap((print): readonly Component[] => [...print.components, ...print.engine.install])
const valuesOf = (chart: string): readonly Readonly<Record<string, unknown>>[] => [
  {},
  ...componentsWithCharts.flatMap(({ source }) =>
    source.from === 'chart' && source.chart === chart ? [source.values] : [],
  ),
]

const objectsOf = (text: string): readonly unknown[] =>
  parseAllDocuments(text)
    .map((document) => {
      expect(document.errors).toEqual([])
      return document.toJS() as { kind: string; metadata: { name: string; namespace?: string } } | null
    })
    .filter((object) => object !== null)
    // helm puts objects into an order of its own, by kind.
    .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
const nameOf = (object: { kind: string; metadata: { name: string } }): string =>
  `${object.kind} ${object.metadata.name}`

describe.skipIf(helm.missing !== undefined)(
  `the program helm${helm.missing === undefined ? '' : ` (${helm.missing})`}`,
  () => {
    test('there are charts to render', () => {
      expect(charts.length).toBeGreaterThan(4)
      expect(valuesOf('cilium').length).toBeGreaterThan(1)
    })

    test.each(charts)('renders %s as its stand-in does', async (path, bytes) => {
      const name = /\/([a-z-]+)-\d/.exec(path)?.[1] ?? ''
      for (const values of valuesOf(name)) {
        const input = {
          release: name,
          namespace: 'some-system',
          chart: { archive: Buffer.from(bytes) },
          values,
          kubernetesVersion: '1.36.3',
        }
        const real = objectsOf(await helmTemplate(helm.path, input))
        expect(real.length).toBeGreaterThan(0)
        expect(objectsOf(await helmTemplate(STAND_IN, input))).toEqual(real)
      }
    })

    test('takes the switches with which the runner calls it, and its words reach the reader', async () => {
      const input = {
        release: 'broken',
        namespace: 'some-system',
        chart: { archive: Buffer.from('this is no chart') },
        values: {},
        kubernetesVersion: '1.36.3',
      }
      await expect(helmTemplate(helm.path, input)).rejects.toMatchObject({ code: 'source.helm' })
    })
  },
)
