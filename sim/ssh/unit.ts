/** A systemd unit of a host: what is kept on its disk and what it does now. */
export interface Unit {
  readonly name: string
  enabled: boolean
  masked: boolean
  active: boolean
  /** A one-shot or a target: active without a process. */
  readonly oneShot: boolean
  failed: boolean
  mainPid: number
  restarts: number
  activeSince: number
  /** Command line, for `show` and `ps`. */
  readonly exec: string
}

export function unit(name: string, from: Partial<Unit> = {}): Unit {
  return {
    name,
    enabled: true,
    masked: false,
    active: false,
    oneShot: false,
    failed: false,
    mainPid: 0,
    restarts: 0,
    activeSince: 0,
    exec: `/usr/sbin/${name.replace(/\.\w+$/, '')}`,
    ...from,
  }
}

/** `containerd` and `containerd.service` are the same unit. */
export function unitName(word: string): string {
  return /\.(service|socket|timer|target|mount|swap|path|slice|scope)$/.test(word) ? word : `${word}.service`
}
