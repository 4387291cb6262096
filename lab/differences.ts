import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** Settings of the one kernel that all machines share: each gets files of its own to write to and read back. */
const SHARED_SETTINGS: readonly string[] = [
  'fs/file-max',
  'fs/inotify/max_user_instances',
  'fs/inotify/max_user_watches',
  'fs/nr_open',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/pid_max',
  'vm/max_map_count',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'vm/swappiness',
]

/** Parts of the kernel that Kubernetes asks for: name of the option, path of the module. */
const MODULES: Readonly<Record<string, string>> = {
  OVERLAY_FS: 'fs/overlayfs/overlay',
  BRIDGE: 'net/bridge/bridge',
  BRIDGE_NETFILTER: 'net/bridge/br_netfilter',
  NF_CONNTRACK: 'net/netfilter/nf_conntrack',
  NF_TABLES: 'net/netfilter/nf_tables',
  IP_VS: 'net/netfilter/ipvs/ip_vs',
  IP_VS_RR: 'net/netfilter/ipvs/ip_vs_rr',
  VXLAN: 'drivers/net/vxlan/vxlan',
  WIREGUARD: 'drivers/net/wireguard/wireguard',
}

interface Differences {
  readonly files: readonly { readonly path: string; readonly text: string; readonly mode: number }[]
  /** Further parameters of systemd-nspawn. */
  readonly inside: readonly string[]
}

/**
 * Everything in which a machine that shares its kernel differs from one with a kernel of its own, made up for here and
 * only here, so that what is sent to machines needs to know nothing of it.
 * @param kernel - As `uname -r` prints it.
 */
export function differences(kernel: string): Differences {
  const modules = `/lib/modules/${kernel}`
  const service = (name: string, start: string): Differences['files'] => [
    {
      path: `etc/systemd/system/${name}.service`,
      text: `[Unit]\nDefaultDependencies=no\nBefore=systemd-sysctl.service sysinit.target\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=${start}\n\n[Install]\nWantedBy=sysinit.target\n`,
      mode: 0o644,
    },
    {
      path: `etc/systemd/system/sysinit.target.d/${name}.conf`,
      text: `[Unit]\nWants=${name}.service\n`,
      mode: 0o644,
    },
  ]
  return {
    files: [
      ...service('lab-settings', '/usr/local/sbin/lab-settings'),
      { path: 'usr/local/sbin/lab-settings', text: SETTINGS, mode: 0o755 },
      // The clock is the host's: chrony runs, and leaves it alone.
      {
        path: 'etc/systemd/system/chrony.service.d/lab.conf',
        text: '[Unit]\nConditionCapability=\n\n[Service]\nExecStart=\nExecStart=!/usr/sbin/chronyd -x -F 0\n',
        mode: 0o644,
      },
      { path: 'etc/systemd/journald.conf.d/lab.conf', text: '[Journal]\nReadKMsg=no\n', mode: 0o644 },
      ...(existsSync(modules) ? [] : builtIn(kernel)),
    ],
    // A module that is loaded counts as loaded; one that is not cannot be loaded from inside.
    inside: existsSync(modules) ? [`--bind-ro=${modules}`] : [],
  }
}

const SETTINGS = `#!/bin/sh
mkdir -p /run/lab-settings
for key in ${SHARED_SETTINGS.join(' ')}; do
  [ -e "/proc/sys/$key" ] || continue
  file=/run/lab-settings/$(echo "$key" | tr / .)
  cat "/proc/sys/$key" > "$file" && mount --bind "$file" "/proc/sys/$key"
done
`

/** For a kernel that has everything built in and no folder of modules: modprobe accepts what is in it, and only that. */
function builtIn(kernel: string): Differences['files'] {
  if (!existsSync('/proc/config.gz')) return []
  const config = gunzipSync(readFileSync('/proc/config.gz')).toString('utf8')
  const present = Object.entries(MODULES).filter(([option]) => config.includes(`CONFIG_${option}=y`))
  return [
    {
      path: `usr/lib/modules/${kernel}/modules.builtin`,
      text: present.map(([, path]) => `kernel/${path}.ko\n`).join(''),
      mode: 0o644,
    },
    { path: `usr/lib/modules/${kernel}/modules.order`, text: '', mode: 0o644 },
  ]
}
