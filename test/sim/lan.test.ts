import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { SocksClient } from 'socks'
import { describe, expect, test } from 'vitest'
import { simLan } from '../../sim/lan/lan.ts'
import type { SimLan } from '../../sim/lan/lan.ts'

async function echo(): Promise<{ port: number; [Symbol.asyncDispose]: () => Promise<void> }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

async function connectThrough(lan: SimLan, host: string, port: number, login = {}): Promise<Socket> {
  const url = new URL(lan.socksUrl)
  const { socket } = await SocksClient.createConnection({
    proxy: { host: url.hostname, port: Number(url.port), type: 5, ...login },
    command: 'connect',
    destination: { host, port },
    timeout: 2_000,
  })
  return socket
}

async function talk(socket: Socket, text: string): Promise<string> {
  let answer = ''
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
  socket.end(text)
  await once(socket, 'close')
  return answer
}

describe('a simulated LAN', () => {
  test('connects a LAN address, IPv4 or IPv6, to the port behind it and counts', async () => {
    await using server = await echo()
    await using lan = await simLan()
    lan.register('10.4.0.11', 22, server.port)
    lan.register('fd00::11', 22, server.port)
    expect(await talk(await connectThrough(lan, '10.4.0.11', 22), 'hello')).toBe('hello')
    expect(await talk(await connectThrough(lan, 'fd00:0:0::11', 22), 'hi')).toBe('hi')
    expect(lan.connections('10.4.0.11')).toBe(1)
    expect(lan.connections('fd00::0:11', 22)).toBe(1)
    expect(lan.connections('10.4.0.11', 23)).toBe(0)
  })

  test('resolves the names it was given, and carries large answers whole', async () => {
    await using server = await echo()
    await using lan = await simLan()
    lan.register('10.4.0.11', 6443, server.port)
    lan.name('cp-1.lab.example', '10.4.0.11')
    const text = 'x'.repeat(500_000)
    expect((await talk(await connectThrough(lan, 'cp-1.lab.example', 6443), text)).length).toBe(text.length)
  })

  test('hands a connection to code', async () => {
    await using lan = await simLan()
    lan.listen('10.4.0.12', 80, (socket) => socket.end('served by code'))
    expect(await talk(await connectThrough(lan, '10.4.0.12', 80), '')).toBe('served by code')
  })

  test('says host unreachable for an unknown address, refused for another port, and after unregistering', async () => {
    await using server = await echo()
    await using lan = await simLan()
    lan.register('10.4.0.11', 22, server.port)
    await expect(connectThrough(lan, '10.4.0.99', 22)).rejects.toThrow(/HostUnreachable/)
    await expect(connectThrough(lan, '10.4.0.11', 23)).rejects.toThrow(/ConnectionRefused/)
    lan.unregister('10.4.0.11', 22)
    await expect(connectThrough(lan, '10.4.0.11', 22)).rejects.toThrow(/HostUnreachable/)
  })

  test('asks for the login when it has one', async () => {
    await using server = await echo()
    await using lan = await simLan({ login: { username: 'site', password: 'right' } })
    lan.register('10.4.0.11', 22, server.port)
    const socket = await connectThrough(lan, '10.4.0.11', 22, { userId: 'site', password: 'right' })
    expect(await talk(socket, 'in')).toBe('in')
    await expect(connectThrough(lan, '10.4.0.11', 22, { userId: 'site', password: 'wrong' })).rejects.toThrow(
      /Authentication failed/,
    )
    await expect(connectThrough(lan, '10.4.0.11', 22)).rejects.toThrow(/no accepted authentication/)
  })

  test('strikes with its faults at the calls named, then works again', async () => {
    await using server = await echo()
    const outcomes: string[] = []
    await using lan = await simLan({
      faults: { hostUnreachable: { calls: [1] }, reset: { calls: [1], match: '10.4.0.11:22' } },
      observe: ({ outcome }) => outcomes.push(outcome),
    })
    lan.register('10.4.0.11', 22, server.port)
    await expect(connectThrough(lan, '10.4.0.11', 22)).rejects.toThrow(/HostUnreachable/)
    const broken = await connectThrough(lan, '10.4.0.11', 22).catch((error: unknown) => error)
    if (!(broken instanceof Error)) await once(broken as Socket, 'close').catch(() => undefined)
    expect(await talk(await connectThrough(lan, '10.4.0.11', 22), 'again')).toBe('again')
    expect(outcomes).toEqual(['hostUnreachable', 'reset', 'connected'])
  })
})
