import type { Lan } from '../../runner/lan/lan.ts'
import { Problem } from '../core/problem.ts'
import type { RemoteAddress } from '../forge/local/remote-address.ts'

/** A person has to find a page and paste a line; whoever needs longer starts the command again. */
const WAIT_MS = 30 * 60_000
/** Pace of the attempts to read the repository with the key. */
const ASK_EVERY_MS = 3_000

/** Page of a forge where deploy keys are added, for the two that are known. */
export function deployKeyPage(origin: RemoteAddress): string {
  if (origin.host === 'github.com') return `${origin.webUrl}/settings/keys/new`
  if (origin.host === 'gitlab.com') return `${origin.webUrl}/-/settings/repository#js-deploy-keys-settings`
  return origin.webUrl
}

/**
 * What stands in for the app on a person's machine: shows the public key that has to be registered, and waits until the
 * repository lets it in.
 * @throws Problem `apply.deploy-key` after half an hour.
 */
export async function awaitDeployKey(
  lan: Pick<Lan, 'forge' | 'clock'>,
  key: { readonly title: string; readonly publicKey: string },
  page: string,
  show: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const lets = (): Promise<boolean> =>
    lan.forge.probeDeployKey().then(
      () => true,
      (error: unknown) => {
        if (error instanceof Problem && error.code === 'git.unreachable') return false
        throw error
      },
    )
  if (await lets()) return
  show(
    [
      '',
      'The cluster reads its repository with a deploy key that was made here. Register its public half, read-only:',
      `  where  ${page}`,
      `  title  ${key.title}`,
      `  key    ${key.publicKey.split(' ').slice(0, 2).join(' ')}`,
      'Write access stays off. This goes on as soon as the key works; Ctrl-C stops, and the next apply goes on here.',
      '',
      '',
    ].join('\n'),
  )
  const until = lan.clock.now() + WAIT_MS
  while (lan.clock.now() < until) {
    await lan.clock.sleep(ASK_EVERY_MS, signal)
    if (await lets()) return
  }
  throw new Problem({
    code: 'apply.deploy-key',
    what: 'the deploy key was not registered within half an hour',
    where: page,
    remedy: 'Register it there, then run the same command again.',
    retry: 'later',
  })
}
