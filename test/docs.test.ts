import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { generatedPages } from '../docs/pages.ts'
import { runnerExample } from '../docs/runner-page.ts'
import { RunnerConfigDocument } from '../runner/config.ts'
import { readCommands } from '../src/core/command.ts'
import { RULES } from './import-rules.ts'

const page = (path: string): string => readFileSync(path, 'utf8')
/** Rows of every table on a page, without their heads; each cell trimmed. */
const rows = (text: string): readonly (readonly string[])[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim())
        .slice(1, -1),
    )
const unique = (names: Iterable<string>): readonly string[] => [...new Set(names)].sort()

test.each([...generatedPages()])('%s is up to date; `npm run docs` writes it', (path, text) => {
  expect(existsSync(path) ? page(path) : '').toBe(text)
})

describe('pages that people write', () => {
  test('the structure page has the rules of imports', () => {
    const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ')
    const rules = RULES.map(({ folder, ours, packages }) => [
      code([folder]),
      code(ours.filter((name) => name !== folder)),
      code(packages),
    ])
    const shown = rows(page('docs/explanation/structure.md')).map(([folder, , ours, packages]) => [
      folder,
      ours,
      packages,
    ])
    expect(shown.slice(1)).toEqual(rules)
  })

  test('examples of runner.yaml are read by a runner', () => {
    const shown = [...page('docs/how-to/set-up-a-runner.md').matchAll(/^ *```yaml\n([\s\S]*?)^ *```/gm)].map(
      ([, text = '']) => text,
    )
    expect(shown).toHaveLength(1)
    for (const text of [...shown, runnerExample]) {
      const read = RunnerConfigDocument.parse(parse(text))
      expect(read.allow.steps).toBe('all')
      expect(read.connections['lab']?.kind).toBe('proxmox')
    }
  })

  test('the settings page names every setting of the app, and no other', () => {
    const names = (text: string) => unique([...text.matchAll(/\bSLIPWAY_[A-Z_]*[A-Z]/g)].map(([name]) => name))
    const settings = names(page('src/entry/config.ts')).filter((name) => !/^SLIPWAY_GIT(HUB|LAB)$/.test(name))
    const shown = rows(page('docs/reference/configuration.md')).flatMap(([first = '']) => names(first))
    expect(unique(shown)).toEqual(settings)
  })

  test('the Proxmox page gives every privilege that doctor asks for', () => {
    const names = (text: string) =>
      unique([...text.matchAll(/\b(?:VM|Datastore|SDN|Sys)\.[A-Z][\w.]*\w/g)].map(([name]) => name))
    const asked = names(page('src/cli/doctor/proxmox.ts'))
    expect(asked.length).toBeGreaterThan(10)
    const given = names(page('docs/how-to/prepare-proxmox.md'))
    expect(asked.filter((name) => !given.includes(name))).toEqual([])
  })

  test('every command of slipway that a page shows exists', () => {
    const known = [...page('docs/reference/cli.md').matchAll(/^## (.+)$/gm)].map(([, name = '']) => name)
    const shown = ['tutorials', 'how-to'].flatMap((folder) =>
      readdirSync(`docs/${folder}`).flatMap((file) =>
        [
          ...page(`docs/${folder}/${file}`).matchAll(
            /npx slipway((?: -C \S+| --config \S+)*) ([a-z]+(?: (?:create|enroll|start|list|revoke)\b)?)/g,
          ),
        ].map(([, , name = '']) => name),
      ),
    )
    expect(shown.length).toBeGreaterThan(8)
    expect(unique(shown).filter((name) => !known.includes(name))).toEqual([])
  })

  test('every command that the comments page shows is understood', () => {
    const shown = rows(page('docs/reference/comments.md')).flatMap(
      ([first = '']) => /`(\/slipway [a-z]+)`/.exec(first)?.[1] ?? [],
    )
    expect(shown.map((text) => readCommands(text)[0]?.kind)).toEqual(['plan', 'apply', 'status', 'cancel'])
  })
})
