import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fenced, inlineCode, plainText, shorten, visible } from '../../src/core/report/escape.ts'

describe('text of others in a comment', () => {
  test('is no markup, no HTML, no mention, no reference, no link', () => {
    expect(plainText('**bold** _it_ `x @y` ` [a](b) <img src=x> a|b ~~no~~')).toBe(
      '\\*\\*bold\\*\\* \\_it\\_ `x @y` \\` \\[a\\](b) &lt;img src=x&gt; a\\|b \\~\\~no\\~\\~',
    )
    for (const dangerous of [
      '@admin',
      'owner/repo#12',
      '!12',
      'https://evil.example',
      'www.evil.example',
      'a@b.example',
    ])
      expect(plainText(dangerous)).toContain('\u2060')
    expect(plainText('- item')).toBe('\\- item')
    expect(plainText('1. item')).toBe('1\\. item')
    expect(plainText('/close this')).toBe('\\/close this')
    expect(plainText('1.36.3')).toBe('1.36.3')
    expect(plainText('# title\n\n# title')).toBe('\\# title # title')
  })

  test('shows what would not be seen', () => {
    expect(visible('a\u202eb\u200bc\u0007')).toBe('a\\u{202e}b\\u{200b}c\\u{7}')
    expect(inlineCode('w\u202e1')).toBe('`w\\u{202e}1`')
  })

  test('cannot end the code it stands in', () => {
    expect(inlineCode('a`b``c')).toBe('```a`b``c```')
    expect(inlineCode('`')).toBe('`` ` ``')
    expect(fenced('```\nrun', 'yaml')).toBe('````yaml\n```\nrun\n````')
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('`', 'a', '\n', '~', ' ') }), (text) => {
        const lines = fenced(text, 'yaml').split('\n')
        const fence = lines[0]?.replace('yaml', '') ?? ''
        const closing = new RegExp(`^ {0,3}\`{${fence.length},}[ \t]*$`)
        expect(lines.findIndex((line) => closing.test(line))).toBe(lines.length - 1)
      }),
    )
  })

  test('is never cut within a character', () => {
    expect(shorten('ab😀cd', 4)).toBe('ab…')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 20 }), (text, limit) => {
        const short = shorten(text, limit)
        expect(short.length).toBeLessThanOrEqual(Math.max(limit, 1))
        expect(short.isWellFormed()).toBe(text.isWellFormed())
      }),
    )
  })
})
