import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { scriptText, shellQuoted } from '../../../runner/lan/shell.ts'

const bash = (text: string) => spawnSync('bash', ['-s'], { input: text, encoding: 'utf8' })

describe('a script for bash -s', () => {
  test.each([`it's`, '$(id)', '`id`', 'a\nb', '\\', '"', '!x', '', ' two  spaces ', '-n', 'ümlaut \u{1F680}'])(
    'gives the parameter %j as it is',
    (value) => {
      expect(bash(scriptText('printf "%s|" "$VALUE"', { VALUE: value })).stdout).toBe(`${value}|`)
    },
  )

  test('keeps commands from eating the rest of it', () => {
    expect(bash(scriptText('cat\necho after', {})).stdout).toBe('after\n')
  })

  test('ends with the status of the script', () => {
    expect(bash(scriptText('exit 42', {})).status).toBe(42)
    expect(bash(scriptText('false', {})).status).toBe(1)
  })

  test('refuses names and values that the shell would take for something else', () => {
    expect(() => scriptText('true', { 'A;id': 'x' })).toThrow(TypeError)
    expect(() => shellQuoted('a\0b')).toThrow(TypeError)
  })
})
