import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { specPages } from '../../../docs/spec-pages.ts'
import { clusterJsonSchema } from '../../../src/core/spec/json-schema.ts'
import { example, parse, ROOT } from './home.ts'

const REFERENCE = ['a-proxmox-cilium', 'b-k3s-gpu-lab', 'c-kubespray-hosts', 'd-k3s-tailnet']

test('home can be planned', () => {
  const { path, text } = example('home')
  const { spec, problems } = parse(text, path)
  expect(problems).toEqual([])
  expect(spec?.name).toBe('home')
})

describe.each(REFERENCE)('%s', (name) => {
  const { path, text } = example(name)
  const { spec, problems } = parse(text, path)

  test('has no fault, only what cannot be planned yet', () => {
    expect(problems.filter(({ code }) => code !== 'spec.not-yet-supported')).toEqual([])
    expect(problems.length).toBeGreaterThan(0)
    expect(spec).toBeUndefined()
  })

  test('every field that is refused is named at its place', () => {
    const lines = text.split('\n')
    for (const { what, line, column } of problems) {
      const rest = lines[line - 1]?.slice(column - 1) ?? ''
      expect(
        what.split(' ').some((word) => rest.includes(word.replaceAll('"', ''))),
        `${what} at ${rest}`,
      ).toBe(true)
    }
  })
})

describe('the JSON schema', () => {
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(clusterJsonSchema())

  test.each([...REFERENCE, 'home'])('takes %s', (name) => {
    validate(parseYaml(example(name).text))
    expect(validate.errors).toBeNull()
  })

  test('refuses an unknown field', () => {
    expect(validate(parseYaml(example('home').text.replace('storage:', 'storrage:')))).toBe(false)
  })

  test('describes every field', () => {
    const bare: string[] = []
    const walk = (schema: ReturnType<typeof clusterJsonSchema>, path: string) => {
      for (const [name, inner] of Object.entries(schema.properties ?? {})) {
        if ((inner.description ?? '') === '') bare.push(`${path}.${name}`)
        walk(inner, `${path}.${name}`)
      }
      for (const inner of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) walk(inner, path)
      if (schema.items !== undefined) walk(schema.items, path)
      if (typeof schema.additionalProperties === 'object') walk(schema.additionalProperties, `${path}.*`)
    }
    walk(clusterJsonSchema(), '')
    expect(bare).toEqual([])
  })
})

test.each([...specPages()])('%s is up to date; `npm run docs` writes it', (path, text) => {
  expect(readFileSync(join(ROOT, path), 'utf8')).toBe(text)
})
