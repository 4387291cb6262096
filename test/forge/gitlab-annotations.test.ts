import { expect, test } from 'vitest'
import { discussionBody } from '../../src/forge/gitlab/annotations.ts'

test('what a spec says reaches a discussion as code on one line: GitLab would obey `/merge` at the start of another', () => {
  const what = 'unknown field "x`\n\n/merge\n/approve\n```\n@all"'
  const body = discussionBody('<!-- marker -->', {
    code: 'spec.field',
    what,
    remedy: 'see\n/close',
    retry: 'never',
    file: 'f',
    line: 1,
    column: 1,
  })
  const lines = body.split('\n')
  expect(lines.filter((line) => line.trimStart().startsWith('/'))).toEqual([])
  expect(lines[0]).toBe('<!-- marker -->')
  expect(body).toContain('/merge /approve')
})
