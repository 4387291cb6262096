import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { RENDERERS, RULES, type Rule } from './import-rules.ts'

/** Folders of one of which only the neighbours' seams may be used, never each other. */
const STRANGERS: readonly (readonly [string, string])[] = [
  ['src/forge/github', 'src/forge/gitlab'],
  ['src/forge/gitlab', 'src/forge/github'],
  ['src/forge/local', 'src/forge/github'],
  ['src/forge/local', 'src/forge/gitlab'],
  ['flux', 'argocd'],
  ['argocd', 'fleet'],
  ['fleet', 'flux'],
]

/** What makes a result depend on where or when it is worked out. */
const IMPURE = [
  /\bDate\.now\(/,
  /\bnew Date\(\)/,
  /\bMath\.random\(/,
  /\bprocess\./,
  /\bfetch\(/,
  /\bsetTimeout\(/,
  /\bsetInterval\(/,
  /\bperformance\.now/,
  /\btoLocale\w*\(/,
  /\bIntl\./,
  /crypto\.(getRandomValues|randomUUID|subtle)/,
  /\bglobalThis\b/,
]
const PURE = ['src/core', 'templates', ...RENDERERS, 'src/blueprint']
/** Words that would tie the app to one runtime. */
const NODE_FREE = [
  'src/core',
  'src/secrets',
  'src/seams',
  'src/app',
  'src/http',
  'src/blueprint',
  'templates',
  ...RENDERERS,
]

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(file))
const sources = tracked.filter(
  (file) => /\.(ts|js)$/.test(file) && !file.startsWith('test/vectors/') && file.includes('/'),
)
const textOf = new Map(sources.map((file) => [file, readFileSync(file, 'utf8')]))

/** `[specifier, file it names or undefined for a package]` of every import of a file. */
function importsOf(file: string): readonly (readonly [string, string | undefined])[] {
  const text = (textOf.get(file) ?? '').replaceAll(/^\s*(\/\/|\*).*$/gm, '')
  const found = [
    ...text.matchAll(
      /(?:^|[\s;}])(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|[\s;(])import\(\s*['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]/gm,
    ),
  ]
  return found.map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? ''
    return [
      specifier,
      specifier.startsWith('.') ? relative('.', normalize(join(dirname(file), specifier))) : undefined,
    ] as const
  })
}

const inside = (file: string, folder: string): boolean =>
  folder === '*' || file === folder || file.startsWith(`${folder}/`)
const packageOf = (specifier: string): string =>
  specifier.startsWith('node:')
    ? 'node'
    : specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/')
const ruleOf = (file: string): Rule | undefined =>
  RULES.filter((rule) => inside(file, rule.folder)).sort((a, b) => b.folder.length - a.folder.length)[0]

test('every source file belongs to a folder of the table', () => {
  expect(sources.filter((file) => ruleOf(file) === undefined)).toEqual([])
})

test('imports point the way that the table allows', () => {
  const wrong: string[] = []
  for (const file of sources) {
    const rule = ruleOf(file)
    if (rule === undefined) continue
    for (const [specifier, target] of importsOf(file)) {
      if (target === undefined) {
        if (!rule.packages.includes('*') && !rule.packages.includes(packageOf(specifier)))
          wrong.push(`${file} imports the package ${specifier}`)
      } else {
        if (!existsSync(target)) wrong.push(`${file} imports ${target}, which is not there`)
        if (!rule.ours.some((folder) => inside(target, folder)) && !inside(target, rule.folder))
          wrong.push(`${file} imports ${target}`)
        if (STRANGERS.some(([a, b]) => inside(file, a) && inside(target, b)))
          wrong.push(`${file} imports its stranger ${target}`)
      }
    }
  }
  expect(wrong).toEqual([])
})

test('no import goes round in a circle', () => {
  const state = new Map<string, 'open' | 'closed'>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'closed') return
    if (state.get(file) === 'open') {
      circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      return
    }
    state.set(file, 'open')
    const text = textOf.get(file) ?? ''
    for (const [specifier, target] of importsOf(file)) {
      // Types are gone at run time; a circle of types is a matter of taste.
      const typeOnly = new RegExp(
        `import type [^;]*?['"]${specifier.replaceAll(/[.*+?^$()[\]{}|\\/]/g, '\\$&')}['"]`,
      ).test(text)
      if (target !== undefined && !typeOnly && textOf.has(target)) visit(target, [...path, file])
    }
    state.set(file, 'closed')
  }
  for (const file of sources) visit(file, [])
  expect(circles).toEqual([])
})

test('what decides is pure: no clock, chance, network or environment', () => {
  const wrong: string[] = []
  for (const file of sources.filter((file) => PURE.some((folder) => inside(file, folder)))) {
    const code = (textOf.get(file) ?? '').replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '')
    for (const pattern of IMPURE) if (pattern.test(code)) wrong.push(`${file}: ${pattern.source}`)
  }
  expect(wrong).toEqual([])
})

test('nothing that has to run elsewhere knows Node', () => {
  const wrong = sources
    .filter((file) => NODE_FREE.some((folder) => inside(file, folder)))
    .filter(
      (file) =>
        importsOf(file).some(([specifier]) => specifier.startsWith('node:')) ||
        /\bprocess\.|\bBuffer\b|\b__dirname\b/.test(
          (textOf.get(file) ?? '').replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, ''),
        ),
    )
  expect(wrong).toEqual([])
})

test('zod is imported whole, so that a bundler can leave out what is not used', () => {
  expect(sources.filter((file) => /import \{[^}]*\} from 'zod'/.test(textOf.get(file) ?? ''))).toEqual([])
})

test('files are named by their noun', () => {
  expect(
    sources.filter((file) => /(^|\/)(utils?|helpers?|types?|common|misc|manager|constants)\.(ts|js)$/.test(file)),
  ).toEqual([])
})

test('no file says that something is left for later', () => {
  const left = sources.filter(
    (file) => file !== 'test/tidy.test.ts' && /\b(TODO|FIXME|XXX|HACK)\b/.test(textOf.get(file) ?? ''),
  )
  expect(left).toEqual([])
})

test('every kind of step has an action', async () => {
  const { actions } = (await import('../runner/actions/index.ts')) as {
    readonly actions: Readonly<Record<string, unknown>>
  }
  const kinds = tracked
    .filter((file) => /^src\/core\/steps\/\w+\.ts$/.test(file))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/^ {2}'([a-z-]+)': \{/gm)].map((match) => match[1]!))
  expect(kinds.length).toBeGreaterThan(10)
  expect(Object.keys(actions).sort()).toEqual(kinds.sort())
})

describe('docs', () => {
  const pages = tracked.filter(
    (file) => file.endsWith('.md') && !file.startsWith('test/') && !file.startsWith('node_modules/'),
  )
  test('every link leads somewhere', () => {
    const broken: string[] = []
    for (const page of pages) {
      const text = readFileSync(page, 'utf8').replaceAll(/```[\s\S]*?```/g, '')
      for (const match of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        const link = match[1]!
        if (/^(https?:|mailto:|#)/.test(link)) continue
        const target = normalize(join(dirname(page), decodeURIComponent(link.split('#')[0]!)))
        if (!existsSync(target)) broken.push(`${page} → ${link}`)
        const anchor = link.split('#')[1]
        if (anchor !== undefined && existsSync(target) && statSync(target).isFile()) {
          const anchors = [...readFileSync(target, 'utf8').matchAll(/^#+\s+(.*)$/gm)].map((heading) =>
            heading[1]!
              .toLowerCase()
              .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
              .trim()
              .replaceAll(/\s/g, '-'),
          )
          if (!anchors.includes(anchor)) broken.push(`${page} → ${link} (no such heading)`)
        }
      }
    }
    expect(broken).toEqual([])
  })

  test('every kind of step is in the reference', () => {
    const reference = readFileSync('docs/reference/steps.md', 'utf8')
    const kinds = tracked
      .filter((file) => /^src\/core\/steps\/\w+\.ts$/.test(file))
      .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/^ {2}'([a-z-]+)': \{/gm)].map((match) => match[1]!))
    expect(kinds.filter((kind) => !reference.includes(`\`${kind}\``))).toEqual([])
  })
})
