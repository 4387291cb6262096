import { GUARD, NOT_OURS } from '../fence.ts'

/** Exit status when the host's clock is too far from the runner's for certificates to be valid. */
export const CLOCK_WRONG = 92
/** Exit status when no version of a package matches what the recipe pins. */
export const NO_VERSION = 93

/**
 * Host preparation in one script, told by MODE: `check` only says what differs, one `needed` line each; `apply` makes it
 * so and says `changed`. Everything is compared before it is touched, so a second pass changes nothing. The last line is
 * `settled`: without it the script has not run to its end, whatever its exit status says.
 *
 * Lists arrive as lines in shell variables: REPOSITORIES `name key-url line…`, PACKAGES `name version|- hold|-`, MODULES,
 * SYSCTLS `key value`, FILES `mode path base64 unit,unit|-`, UNITS `unit enabled|masked`, FIREWALL (base64 or empty).
 */
export const PREPARATION = `
set -u
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a LC_ALL=C
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

owner=$(cat /var/lib/slipway/cluster 2>/dev/null || true)
if [ -z "$owner" ]; then
  for file in /etc/kubernetes/kubelet.conf /etc/kubernetes/admin.conf /etc/kubernetes/manifests/kube-apiserver.yaml; do
    if [ -e "$file" ]; then echo "kubeadm has been run here before ($file) by somebody else" >&2; exit ${NOT_OURS}; fi
  done
fi
if [ "$MODE" = apply ]; then
${GUARD}
  now=$(date -u +%s)
  apart=$((now - NOW))
  if [ "$apart" -gt 300 ] || [ "$apart" -lt -300 ]; then echo "the clock is $apart seconds off" >&2; exit ${CLOCK_WRONG}; fi
fi

# need WHAT: in check mode says what differs and is false; in apply mode says what is changed and is true.
need() {
  if [ "$MODE" = check ]; then echo "needed $1"; return 1; fi
  echo "changed $1"
  return 0
}
fail() { echo "error: $1" >&2; exit "\${2:-1}"; }
apt() { apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@"; }
installed() { dpkg-query -W -f='\${db:Status-Status} \${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p'; }
# What a file shall hold is staged here first, so that nothing is ever half written.
staged=$(mktemp) || fail "making a temporary file"
trap 'rm -f "$staged"' EXIT
# put MODE PATH: replaces a file by what is staged when its content or mode differs; true when it did.
put() {
  if [ -e "$2" ] && cmp -s "$staged" "$2" && [ "$(stat -c %a "$2")" = "\${1#0}" ]; then return 1; fi
  need "$2" || return 1
  mkdir -p "$(dirname "$2")" && cp "$staged" "$2.slipway" && chmod "$1" "$2.slipway" && mv "$2.slipway" "$2" || fail "writing $2"
  return 0
}

if [ "$(hostname)" != "$HOST_NAME" ]; then
  if need "host name $HOST_NAME"; then hostnamectl set-hostname "$HOST_NAME" || fail "setting the host name"; fi
fi
# Without it every sudo asks the name servers for the machine's own name, and waits where they are silent.
if ! grep -qE "[[:space:]]$HOST_NAME([[:space:]]|$)" /etc/hosts 2>/dev/null; then
  if need "own name in /etc/hosts"; then printf '127.0.1.1 %s\\n' "$HOST_NAME" >> /etc/hosts || fail "writing /etc/hosts"; fi
fi

# Units that take the package lock at their own time go first.
while read -r unit state; do
  [ "$state" = masked ] || continue
  [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = masked ] && continue
  if need "mask $unit"; then systemctl mask --now "$unit" >/dev/null 2>&1 || true; systemctl reset-failed "$unit" >/dev/null 2>&1 || true; fi
done <<LIST
$UNITS
LIST

if [ -n "$(swapon --show --noheadings 2>/dev/null)" ]; then
  if need "swap off"; then swapoff -a || fail "switching swap off"; fi
fi
if grep -qE '^[^#].*[[:space:]]swap[[:space:]]' /etc/fstab 2>/dev/null; then
  if need "no swap in fstab"; then sed -i -E 's/^([^#].*[[:space:]]swap[[:space:]].*)$/# \\1/' /etc/fstab; fi
fi

printf '%s\\n' "$MODULES" > "$staged" || fail "writing to $staged"
if put 0644 /etc/modules-load.d/slipway.conf; then
  for module in $MODULES; do modprobe "$module" || fail "the kernel has no module $module; install linux-modules-extra or another kernel"; done
fi
printf '%s\\n' "$SYSCTLS" | sed -n 's/^\\([^ ]*\\) \\(.*\\)$/\\1 = \\2/p' > "$staged" || fail "writing to $staged"
if put 0644 /etc/sysctl.d/90-slipway.conf; then
  for module in $MODULES; do modprobe "$module" 2>/dev/null || true; done
  sysctl -q -p /etc/sysctl.d/90-slipway.conf >/dev/null || fail "setting kernel parameters"
fi
while read -r key value; do
  [ -n "$key" ] || continue
  [ "$(sysctl -n "$key" 2>/dev/null)" = "$value" ] && continue
  if need "kernel parameter $key"; then sysctl -q -w "$key=$value" >/dev/null || fail "setting $key"; fi
done <<LIST
$SYSCTLS
LIST

. /etc/os-release
arch=$(dpkg --print-architecture)
codename=\${VERSION_CODENAME:-}
lists=old
fetchers=
for package in ca-certificates curl gnupg; do [ -n "$(installed "$package")" ] || fetchers="$fetchers $package"; done
if [ -n "$fetchers" ]; then
  if need "packages$fetchers"; then apt update >/dev/null && apt install --no-install-recommends $fetchers >/dev/null || fail "installing$fetchers"; fi
fi
while read -r name key line; do
  [ -n "$name" ] || continue
  key=$(printf '%s' "$key" | sed -e "s/[$]os/$ID/g" -e "s/[$]codename/$codename/g" -e "s/[$]arch/$arch/g")
  line=$(printf '%s' "$line" | sed -e "s/[$]os/$ID/g" -e "s/[$]codename/$codename/g" -e "s/[$]arch/$arch/g")
  ring=/etc/apt/keyrings/slipway-$name.gpg
  if [ ! -s "$ring" ] || [ "$(cat "$ring.from" 2>/dev/null)" != "$key" ]; then
    if need "signing key of $name"; then
      mkdir -p /etc/apt/keyrings
      curl -fsSL --retry 3 --connect-timeout 15 --max-time 60 "$key" > "$ring.new" || fail "fetching the signing key of $name from $key"
      rm -f "$ring"
      gpg --dearmor --batch --yes -o "$ring" "$ring.new" 2>/dev/null || cp "$ring.new" "$ring"
      rm -f "$ring.new"
      chmod 0644 "$ring"
      printf '%s\\n' "$key" > "$ring.from"
      lists=stale
    fi
  fi
  echo "deb [arch=$arch signed-by=$ring] $line" > "$staged" || fail "writing to $staged"
  if put 0644 "/etc/apt/sources.list.d/slipway-$name.list"; then lists=stale; fi
done <<LIST
$REPOSITORIES
LIST

wanted=
holds=
while read -r name version hold; do
  [ -n "$name" ] || continue
  have=$(installed "$name")
  [ "$hold" = hold ] && holds="$holds $name"
  if [ -n "$have" ]; then
    [ "$version" = - ] && continue
    case "$have" in $version) continue ;; esac
  fi
  need "package $name" || continue
  if [ "$lists" != fresh ]; then apt update >/dev/null || fail "apt-get update did not succeed"; lists=fresh; fi
  if [ "$version" = - ]; then wanted="$wanted $name"; continue; fi
  exact=
  for candidate in $(apt-cache madison "$name" | awk '{ print $3 }'); do
    case "$candidate" in $version) exact=$candidate; break ;; esac
  done
  [ -n "$exact" ] || fail "no version of $name matches $version in the configured repositories" ${NO_VERSION}
  wanted="$wanted $name=$exact"
done <<LIST
$PACKAGES
LIST
if [ -n "$wanted" ]; then
  apt install --no-install-recommends --allow-change-held-packages --allow-downgrades $wanted >"$staged" 2>&1 || { tail -n 20 "$staged" >&2; fail "installing$wanted"; }
fi
held=" $(apt-mark showhold 2>/dev/null | tr '\\n' ' ') "
for name in $holds; do
  case "$held" in *" $name "*) continue ;; esac
  if need "hold $name"; then apt-mark hold "$name" >/dev/null || fail "holding $name"; fi
done

# Units that wait for a restart are on the disk: a run that was cut off must not leave one with its old configuration.
pending=/var/lib/slipway/restarts
while read -r mode path content units; do
  [ -n "$path" ] || continue
  printf '%s' "$content" | base64 -d > "$staged" || fail "writing to $staged"
  if put "$mode" "$path"; then
    [ "$units" = - ] || printf '%s\\n' "$units" | tr ',' '\\n' >> "$pending"
  fi
done <<LIST
$FILES
LIST
if [ -s "$pending" ]; then
  if need "restart of $(sort -u "$pending" | tr '\\n' ' ')"; then
    systemctl daemon-reload
    for unit in $(sort -u "$pending"); do systemctl restart "$unit" || fail "restarting $unit: see journalctl -u $unit"; done
    rm -f "$pending"
  fi
fi

if [ -n "$FIREWALL" ]; then
  printf '%s' "$FIREWALL" | base64 -d > "$staged" || fail "writing to $staged"
  if [ "$MODE" = apply ]; then nft -c -f "$staged" || fail "the firewall rules are refused"; fi
  if put 0644 /etc/slipway/firewall.nft || { ! nft list table inet slipway >/dev/null 2>&1 && need "firewall rules"; }; then
    nft -f /etc/slipway/firewall.nft || fail "loading the firewall rules"
  fi
  printf '[Unit]\\nDescription=Firewall rules of Slipway\\nAfter=nftables.service\\n\\n[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/usr/sbin/nft -f /etc/slipway/firewall.nft\\n\\n[Install]\\nWantedBy=multi-user.target\\n' > "$staged" || fail "writing to $staged"
  if put 0644 /etc/systemd/system/slipway-firewall.service; then
    systemctl daemon-reload
    systemctl enable slipway-firewall.service >/dev/null 2>&1 || fail "enabling the firewall at boot"
  fi
fi

while read -r unit state; do
  [ "$state" = enabled ] || continue
  if [ "$(systemctl is-enabled "$unit" 2>/dev/null)" != enabled ]; then
    if need "enable $unit"; then systemctl enable "$unit" >/dev/null 2>&1 || fail "enabling $unit"; fi
  fi
  # The kubelet starts anew every few seconds until kubeadm has given it a configuration.
  [ "$unit" = kubelet.service ] && continue
  if [ "$(systemctl is-active "$unit" 2>/dev/null)" != active ]; then
    if need "start $unit"; then systemctl start "$unit" || fail "starting $unit: see journalctl -u $unit"; fi
  fi
done <<LIST
$UNITS
LIST

if [ "$(cat /var/lib/slipway/prepared 2>/dev/null)" != "$DIGEST" ]; then
  if need "record"; then printf '%s\\n' "$DIGEST" > /var/lib/slipway/prepared.new && mv /var/lib/slipway/prepared.new /var/lib/slipway/prepared || fail "writing /var/lib/slipway/prepared"; fi
fi
echo "settled $MODE"
`
