import type { Socket } from 'node:net'

/** Sizes and codes of RFC 1928 (SOCKS5) and RFC 1929 (user name and password). */
const VERSION = 5
const CONNECT = 1
const NO_AUTH = 0
const PASSWORD = 2
const NO_ACCEPTABLE_METHOD = 0xff
const IPV4 = 1
const DOMAIN = 3
const IPV6 = 4

const SOCKS_REPLY = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const
type SocksReply = keyof typeof SOCKS_REPLY

export interface SocksRequest {
  /** IPv4 or IPv6 text, or a domain name. */
  readonly host: string
  readonly port: number
}

export interface SocksLogin {
  readonly username: string
  readonly password: string
}

/**
 * Reads greeting, login and request of one client. What the client sends after its request stays in the socket's buffer.
 * @returns `undefined` when the client was refused; the refusal has been sent.
 */
export async function readSocksRequest(
  socket: Socket,
  login: SocksLogin | undefined,
): Promise<SocksRequest | undefined> {
  const [version = 0, methodCount = 0] = await read(socket, 2)
  if (version !== VERSION) return undefined
  const methods = await read(socket, methodCount)
  const method = login === undefined ? NO_AUTH : PASSWORD
  if (!methods.includes(method)) {
    socket.end(Buffer.from([VERSION, NO_ACCEPTABLE_METHOD]))
    return undefined
  }
  socket.write(Buffer.from([VERSION, method]))
  if (login !== undefined && !(await passwordIsRight(socket, login))) return undefined

  const [requestVersion = 0, command = 0, , addressType = 0] = await read(socket, 4)
  if (requestVersion !== VERSION) return undefined
  const host = await readHost(socket, addressType)
  if (host === undefined) {
    refuse(socket, 'addressTypeNotSupported')
    return undefined
  }
  const port = (await read(socket, 2)).readUInt16BE()
  if (command !== CONNECT) {
    refuse(socket, 'commandNotSupported')
    return undefined
  }
  return { host, port }
}

export function accept(socket: Socket): void {
  socket.write(reply('succeeded'))
}

export function refuse(socket: Socket, reason: SocksReply): void {
  socket.end(reply(reason))
}

/** The bound address is not told: clients of CONNECT do not use it. */
function reply(code: SocksReply): Buffer {
  return Buffer.from([VERSION, SOCKS_REPLY[code], 0, IPV4, 0, 0, 0, 0, 0, 0])
}

async function passwordIsRight(socket: Socket, login: SocksLogin): Promise<boolean> {
  const [, userLength = 0] = await read(socket, 2)
  const username = (await read(socket, userLength)).toString()
  const [passwordLength = 0] = await read(socket, 1)
  const password = (await read(socket, passwordLength)).toString()
  const right = username === login.username && password === login.password
  const answer = Buffer.from([1, right ? 0 : 1])
  if (right) socket.write(answer)
  else socket.end(answer)
  return right
}

async function readHost(socket: Socket, addressType: number): Promise<string | undefined> {
  if (addressType === IPV4) return [...(await read(socket, 4))].join('.')
  if (addressType === IPV6) {
    const bytes = await read(socket, 16)
    const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16))
    return groups.join(':')
  }
  if (addressType !== DOMAIN) return undefined
  const [length = 0] = await read(socket, 1)
  return (await read(socket, length)).toString()
}

/** Exactly `length` bytes; the rest stays in the socket. */
function read(socket: Socket, length: number): Promise<Buffer> {
  if (length === 0) return Promise.resolve(Buffer.alloc(0))
  return new Promise((resolve, reject) => {
    const done = () => {
      socket.off('readable', onReadable).off('close', onClose).off('error', onClose).off('end', onClose)
    }
    const onReadable = () => {
      const bytes: unknown = socket.read(length)
      if (!(bytes instanceof Buffer)) return
      done()
      if (bytes.length < length) reject(new Error('SOCKS client went away'))
      else resolve(bytes)
    }
    const onClose = () => {
      done()
      reject(new Error('SOCKS client went away'))
    }
    socket.on('readable', onReadable).on('close', onClose).on('error', onClose).on('end', onClose)
    onReadable()
  })
}
