import { GUARD, NOT_OURS } from '../fence.ts'

/** Longest that another user of the package manager is waited for, seconds: a run of unattended-upgrades. */
const APT_LOCK_WAIT_S = 300
/** Looks at the clock's state, one every five seconds; chrony needs a few answers of its servers. */
const CLOCK_LOOKS = 24

/** Exit status of a clock that nobody keeps. */
export const CLOCK_WRONG = 92
/** Exit status of a host that is neither Debian nor Ubuntu. */
export const OTHER_OS = 93

/**
 * Makes a host what its recipe says, or only tells what differs: one text for both, so that they cannot disagree. With
 * MODE=check nothing is changed and each difference is a line `needed: …`; with MODE=apply each is mended, in an order
 * in which what comes later finds what it needs. What was written last is the digest of the recipe.
 */
export const PREPARE = `
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

need() { echo "needed: $*"; [ "$MODE" = apply ]; }
apt() { apt-get -y -qq -o DPkg::Lock::Timeout=${APT_LOCK_WAIT_S} -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"; }
fetch() { curl -fsSL --retry 3 --connect-timeout 15 --max-time 120 -o "$2.slipway-new" "$1" && chmod 0644 "$2.slipway-new" && mv "$2.slipway-new" "$2"; }

if [ "$MODE" = apply ]; then
${GUARD}
fi
owner=$(cat /var/lib/slipway/cluster 2>/dev/null || true)
if [ -n "$owner" ] && [ "$owner" != "$MARK" ]; then echo "$owner" >&2; exit ${NOT_OURS}; fi
if [ -z "$owner" ]; then
  for file in /etc/kubernetes/kubelet.conf /etc/kubernetes/admin.conf /etc/rancher/k3s/k3s.yaml; do
    if [ -e "$file" ]; then echo "$file is there, and Slipway did not put it there" >&2; exit ${NOT_OURS}; fi
  done
  if need "mark of the cluster"; then
    printf '%s\\n' "$MARK" > /var/lib/slipway/cluster.new
    mv /var/lib/slipway/cluster.new /var/lib/slipway/cluster
  fi
fi

. /etc/os-release
case "$ID" in debian|ubuntu) ;; *) echo "this host runs $ID; Debian and Ubuntu are supported" >&2; exit ${OTHER_OS} ;; esac
codename=$VERSION_CODENAME
arch=$(dpkg --print-architecture)

# Background upgrades hold the package lock and restart containerd under running pods: they go first.
while IFS='|' read -r unit state; do
  [ "$state" = masked ] || continue
  found=$(systemctl is-enabled "$unit" 2>/dev/null || true)
  if [ "$found" != masked ] && need "unit $unit masked"; then
    systemctl stop "$unit" 2>/dev/null || true
    systemctl mask "$unit" >/dev/null 2>&1
  fi
done <<LIST
$SERVICES
LIST

if [ -n "$(swapon --show --noheadings)" ] && need "swap off"; then swapoff -a; fi
if grep -Eq '^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]]' /etc/fstab 2>/dev/null && need "no swap in fstab"; then
  sed -i -E 's/^([^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]].*)$/# \\1 # off for the kubelet/' /etc/fstab
fi

if [ "$(hostname)" != "$WANTED_HOSTNAME" ] && need "host name $WANTED_HOSTNAME"; then hostnamectl set-hostname "$WANTED_HOSTNAME"; fi
if ! grep -Eq "[[:space:]]$WANTED_HOSTNAME([[:space:]]|\\$)" /etc/hosts 2>/dev/null && need "host name in /etc/hosts"; then
  printf '127.0.1.1 %s\\n' "$WANTED_HOSTNAME" >> /etc/hosts
fi

lists_changed=no
while IFS='|' read -r name key line; do
  [ -n "$name" ] || continue
  fill() { printf '%s' "$1" | sed -e "s/[$]os/$ID/g" -e "s/[$]codename/$codename/g" -e "s/[$]arch/$arch/g"; }
  key=$(fill "$key")
  line=$(fill "$line")
  keyring=/etc/apt/keyrings/slipway-$name.asc
  list=/etc/apt/sources.list.d/slipway-$name.list
  wanted="deb [arch=$arch signed-by=$keyring] $line"
  if { [ ! -s "$keyring" ] || [ "$(cat "$list" 2>/dev/null || true)" != "$wanted" ]; } && need "package repository $name"; then
    if ! command -v curl >/dev/null 2>&1; then
      apt update >/dev/null
      apt install --no-install-recommends ca-certificates curl >/dev/null
    fi
    mkdir -p /etc/apt/keyrings
    fetch "$key" "$keyring"
    printf '%s\\n' "$wanted" > "$list.slipway-new"
    mv "$list.slipway-new" "$list"
    lists_changed=yes
  fi
done <<LIST
$REPOSITORIES
LIST

installed=$(dpkg-query -W -f='\${Package} \${db:Status-Abbrev} \${Version}\\n' 2>/dev/null || true)
version_of() { printf '%s\\n' "$installed" | awk -v name="$1" '$1 == name && $2 ~ /^.i/ { print $3; exit }'; }
missing=
while IFS='|' read -r name version hold; do
  [ -n "$name" ] || continue
  present=$(version_of "$name")
  fits=no
  if [ -n "$present" ]; then case "$present" in $version) fits=yes ;; esac; fi
  if [ "$fits" = no ] && need "package $name $version"; then
    if [ "$version" = '*' ]; then missing="$missing $name"; else missing="$missing $name=$version"; fi
  fi
done <<LIST
$PACKAGES
LIST
if [ "$MODE" = apply ] && { [ -n "$missing" ] || [ "$lists_changed" = yes ]; }; then
  dpkg --configure -a >/dev/null
  if ! apt update >/dev/null 2>&1; then
    # A repository's key may have been renewed.
    while IFS='|' read -r name key line; do
      [ -n "$name" ] || continue
      key=$(printf '%s' "$key" | sed -e "s/[$]os/$ID/g" -e "s/[$]codename/$codename/g" -e "s/[$]arch/$arch/g")
      fetch "$key" "/etc/apt/keyrings/slipway-$name.asc"
    done <<LIST
$REPOSITORIES
LIST
    apt update >/dev/null
  fi
fi
if [ -n "$missing" ]; then
  # Quoted, so that no version pattern becomes a file name.
  set -f
  apt install --no-install-recommends --allow-change-held-packages $missing >/dev/null
  set +f
fi
held=$(apt-mark showhold)
while IFS='|' read -r name version hold; do
  [ "$hold" = hold ] || continue
  if ! printf '%s\\n' "$held" | grep -qx "$name" && need "package $name held"; then apt-mark hold "$name" >/dev/null; fi
done <<LIST
$PACKAGES
LIST

restarts=
units_changed=no
while IFS='|' read -r path mode units content; do
  [ -n "$path" ] || continue
  present=no
  if [ -e "$path" ] && [ "$(base64 -w0 < "$path")" = "$content" ] && [ "$(stat -c %a "$path")" = "$mode" ]; then present=yes; fi
  if [ "$present" = no ] && need "file $path"; then
    mkdir -p "$(dirname "$path")"
    printf '%s' "$content" | base64 -d > "$path.slipway-new"
    chmod "$mode" "$path.slipway-new"
    mv "$path.slipway-new" "$path"
    restarts="$restarts $units"
    case "$path" in
      /etc/systemd/*) units_changed=yes ;;
      /etc/sysctl.d/99-slipway.conf) for module in $MODULES; do modprobe "$module"; done; sysctl -q -p "$path" ;;
    esac
  fi
done <<LIST
$FILES
LIST
if [ "$MODE" = apply ]; then
  for module in $MODULES; do modprobe "$module"; done
  sysctl -q -p /etc/sysctl.d/99-slipway.conf
fi
if [ "$units_changed" = yes ]; then systemctl daemon-reload; fi

while IFS='|' read -r unit state; do
  [ "$state" = enabled ] || continue
  found=$(systemctl is-enabled "$unit" 2>/dev/null || true)
  if [ "$found" != enabled ] && need "unit $unit enabled"; then systemctl enable "$unit" >/dev/null 2>&1; fi
  # The kubelet starts with kubeadm; before that it has nothing to run with.
  if [ "$unit" != kubelet.service ]; then
    found=$(systemctl is-active "$unit" 2>/dev/null || true)
    if [ "$found" != active ] && need "unit $unit running"; then systemctl start "$unit"; fi
  fi
done <<LIST
$SERVICES
LIST
for unit in $(printf '%s\\n' $restarts | sort -u); do systemctl restart "$unit"; done

synchronised() {
  [ "$(timedatectl show -p NTPSynchronized --value 2>/dev/null || true)" = yes ] && return 0
  chronyc tracking 2>/dev/null | grep -q '^Leap status *: *Normal'
}
if [ "$TIME_SYNC" = yes ] && ! synchronised && need "clock synchronised"; then
  looks=0
  until synchronised; do
    looks=$((looks + 1))
    if [ "$looks" -gt ${CLOCK_LOOKS} ]; then echo "the clock is not synchronised" >&2; exit ${CLOCK_WRONG}; fi
    sleep 5
  done
fi

if [ "$(cat /var/lib/slipway/prepared 2>/dev/null || true)" != "$DIGEST" ] && need "digest of the recipe"; then
  printf '%s\\n' "$DIGEST" > /var/lib/slipway/prepared.new
  mv /var/lib/slipway/prepared.new /var/lib/slipway/prepared
fi
`
