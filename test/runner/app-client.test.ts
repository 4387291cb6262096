import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { enrollAtApp } from '../../runner/app-client.ts'

let sent = 0
const PART = Buffer.alloc(256 * 1024, 0x20)
/** Whoever answers at the app's address, and never stops. */
const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const more = (): void => {
    while (!response.destroyed && sent < 512 * 1024 * 1024) {
      sent += PART.length
      if (!response.write(PART)) {
        response.once('drain', more)
        return
      }
    }
    response.end()
  }
  more()
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())))

test('an answer without end is cut off, not kept in memory', async () => {
  const app = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const request = { wire: 1, name: 'closet', signingKey: 'AAAA', gitKey: 'ssh-ed25519 AAAA' } as const
  await expect(enrollAtApp(app, 'slw_x', request)).rejects.toMatchObject({ code: 'runner.app-unreachable' })
  expect(sent).toBeLessThan(64 * 1024 * 1024)
})
