/** Programs of every image that belong to no package of the model and that the shell itself answers. */
const OF_THE_SHELL = `
awk base64 basename cat chmod column comm cut date diff dirname du echo egrep env expand expr false fgrep file
find fold grep gunzip gzip head join ln md5sum mkdir mv nl od paste printenv printf pwd readlink rev rm rmdir
sed seq sha1sum sha256sum sleep sort split strings tac tail tar tee time touch tr true uniq wc which zcat`

/** The same, answered by `programs`. */
const OF_THE_MODEL = `
arch bash chgrp chown cmp cp dash dd df findmnt flock getconf getent groups hostname id install ionice kill
logger ls lsblk mktemp mount mountpoint nice nohup nproc realpath setsid sh stat stdbuf sync timeout truncate
umount uname whoami xargs ssh-keygen cloud-init`

const IN_USR_SBIN = 'groupadd halt poweroff reboot shutdown swapoff swapon useradd usermod'

const words = (list: string): string[] => list.trim().split(/\s+/)

export function basePrograms(): string[] {
  return [
    ...[...words(OF_THE_SHELL), ...words(OF_THE_MODEL)].map((name) => `/usr/bin/${name}`),
    ...words(IN_USR_SBIN).map((name) => `/usr/sbin/${name}`),
  ]
}
