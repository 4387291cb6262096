import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { armour, dearmour } from '../package-catalogue.ts'
import type { Answer, Call, Program } from '../program.ts'
import { err, out, switches } from '../program.ts'

/** Bytes of a file or, for `-` and nothing, of standard input. */
async function input(call: Call, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined || path === '-') return Buffer.from(call.stdin, 'latin1')
  const at = call.files.resolvePath(call.cwd, path)
  if (!(await call.files.exists(at))) return undefined
  return Buffer.from(await call.files.readFileBuffer(at))
}

const bytes = (data: Uint8Array): Answer =>
  ({ stdout: Buffer.from(data).toString('latin1'), stderr: '', exit: 0, stdoutKind: 'bytes' }) as Answer

const gpg: Program = async (call) => {
  const { flags, values, rest } = switches(call.argv, ['-o', '--output', '--homedir', '--keyring'])
  const data = await input(call, rest[0])
  if (data === undefined) return err(`gpg: can't open '${rest[0]}': No such file or directory\n`, 2)
  const target = values.get('-o')?.[0] ?? values.get('--output')?.[0]
  if (!flags.has('--dearmor') && !flags.has('--enarmor') && !flags.has('--show-keys')) return out()
  if (flags.has('--show-keys')) return out('pub   rsa2048 2022-08-25 [SC]\n')
  const result = flags.has('--enarmor')
    ? Buffer.from(armour(data.toString('latin1')))
    : dearmour(data.toString('latin1'))
  if (result === undefined)
    return err('gpg: no valid OpenPGP data found.\ngpg: dearmoring failed: Unknown system error\n', 2)
  if (target === undefined || target === '-') return bytes(result)
  const path = call.files.resolvePath(call.cwd, target)
  if ((await call.files.exists(path)) && !flags.has('--yes'))
    return err(`File '${target}' exists. Overwrite? (y/N) gpg: cannot open '/dev/tty': No such device or address\n`, 2)
  await call.files.writeFile(path, result)
  return out()
}

/** The few calls with which scripts look at certificates and keys. */
const openssl: Program = async (call) => {
  const [verb, ...argv] = call.argv
  if (verb === 'version') return out('OpenSSL 3.0.17 1 Jul 2025 (Library: OpenSSL 3.0.17 1 Jul 2025)\n')
  const option = (name: string): string | undefined => {
    const at = argv.indexOf(name)
    return at < 0 ? undefined : argv[at + 1]
  }
  const has = (name: string): boolean => argv.includes(name)
  if (verb === 'rand') {
    const { random } = call.host.world
    const data = Buffer.from(Array.from({ length: Number(argv.at(-1)) }, () => Math.floor(random() * 256)))
    return has('-hex')
      ? out(`${data.toString('hex')}\n`)
      : has('-base64')
        ? out(`${data.toString('base64')}\n`)
        : bytes(data)
  }
  const last = argv.at(-1)
  const plainFile = verb === 'dgst' && last !== undefined && !last.startsWith('-') ? last : undefined
  const data = await input(call, option('-in') ?? plainFile)
  if (data === undefined)
    return err(`Can't open "${option('-in') ?? plainFile}" for reading, No such file or directory\n`)
  try {
    if (verb === 'dgst') {
      const algorithm = ['sha256', 'sha512', 'sha1'].find((name) => has(`-${name}`)) ?? 'sha256'
      const digest = createHash(algorithm).update(data).digest('hex')
      if (has('-r')) return out(`${digest} *${plainFile ?? 'stdin'}\n`)
      return out(
        has('-hex') || !has('-binary')
          ? `${algorithm.toUpperCase().replace('SHA', 'SHA2-')}(${plainFile ?? 'stdin'})= ${digest}\n`
          : digest,
      )
    }
    if (verb === 'x509') return x509(call, new X509Certificate(data), has, option)
    if (verb === 'pkey' || verb === 'rsa') {
      const key = createPublicKey(
        has('-inform') && option('-inform')?.toUpperCase() === 'DER'
          ? { key: data, format: 'der', type: 'spki' }
          : data,
      )
      return option('-outform')?.toUpperCase() === 'DER'
        ? bytes(key.export({ format: 'der', type: 'spki' }))
        : out(key.export({ format: 'pem', type: 'spki' }).toString())
    }
  } catch {
    return err(`Could not read ${verb === 'x509' ? 'certificate' : 'key'} from ${option('-in') ?? '<stdin>'}\n`)
  }
  return err(`Invalid command '${verb}'; type "help" for a list.\n`)
}

function x509(
  call: Call,
  certificate: X509Certificate,
  has: (name: string) => boolean,
  option: (name: string) => string | undefined,
): Answer {
  if (has('-checkend')) {
    const ends = Date.parse(certificate.validTo) < call.host.clock.now() + Number(option('-checkend')) * 1000
    return out(`Certificate will ${ends ? '' : 'not '}expire\n`, ends ? 1 : 0)
  }
  let stdout = ''
  if (has('-subject')) stdout += `subject=${certificate.subject.replaceAll('\n', ', ').replaceAll('=', ' = ')}\n`
  if (has('-issuer')) stdout += `issuer=${certificate.issuer.replaceAll('\n', ', ').replaceAll('=', ' = ')}\n`
  if (has('-dates') || has('-startdate')) stdout += `notBefore=${certificate.validFrom}\n`
  if (has('-dates') || has('-enddate')) stdout += `notAfter=${certificate.validTo}\n`
  if (has('-fingerprint')) stdout += `sha256 Fingerprint=${certificate.fingerprint256}\n`
  if (has('-serial')) stdout += `serial=${certificate.serialNumber}\n`
  if (has('-ext')) stdout += `X509v3 Subject Alternative Name: \n    ${certificate.subjectAltName ?? ''}\n`
  if (has('-pubkey')) stdout += certificate.publicKey.export({ format: 'pem', type: 'spki' }).toString()
  if (!has('-noout') && option('-outform')?.toUpperCase() === 'DER') return bytes(certificate.raw)
  return out(has('-noout') ? stdout : stdout + certificate.toString())
}

const sshKeygen: Program = async (call) => {
  const { values, flags } = switches(call.argv, ['-f', '-t', '-N', '-C', '-b', '-E'])
  const path = values.get('-f')?.[0] ?? ''
  if (flags.has('-A')) return out()
  const data = await input(call, path)
  const [type, key, comment = 'no comment'] = (data?.toString() ?? '').trim().split(' ')
  if (data === undefined || key === undefined) return err(`ssh-keygen: ${path}: No such file or directory\n`, 255)
  if (!flags.has('-l')) return out(`${type} ${key}\n`)
  const digest = createHash('sha256').update(Buffer.from(key, 'base64')).digest('base64').replace(/=+$/, '')
  return out(`256 SHA256:${digest} ${comment} (${type === 'ssh-ed25519' ? 'ED25519' : 'RSA'})\n`)
}

export const cryptoPrograms: Readonly<Record<string, Program>> = { gpg, openssl, 'ssh-keygen': sshKeygen }
