import type { SshTarget } from '../../src/core/steps/host.ts'

/** What a script on a machine gave. */
export interface RemoteResult {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Commands on machines, over one SSH connection per machine. A script is a fixed text of the release; parameters are
 * set as shell variables before it, each quoted by one function. Script and parameters travel on standard input, so
 * nothing of them is in any process list.
 */
export interface Remote {
  /**
   * Runs a script with `bash -s`, as root (`sudo -n` for other users).
   * @param parameters - Shell variables; values may be secret.
   * @throws Problem `ssh.unreachable` (retry now), `ssh.host-key-changed` (never), `ssh.login` (never), `ssh.lost`
   *   when the connection ended and the result is unknown (now), `ssh.no-sudo` (never).
   */
  run(
    target: SshTarget,
    script: string,
    parameters: Readonly<Record<string, string>>,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<RemoteResult>
  /** The host key that answers at an address, without logging in; `undefined` while nothing answers. */
  offeredHostKey(address: string, port: number, signal?: AbortSignal): Promise<string | undefined>
  close(): Promise<void>
}
