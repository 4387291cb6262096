/** A user of a host, as /etc/passwd has it. */
export interface Login {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** The environment that sshd and sudo give to a user's shell. */
export function loginEnv(login: Login): Record<string, string> {
  return {
    HOME: login.home,
    LOGNAME: login.name,
    USER: login.name,
    SHELL: '/bin/bash',
    LANG: 'C.UTF-8',
    PATH:
      login.uid === 0
        ? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
        : '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games',
  }
}
