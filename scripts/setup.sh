#!/bin/sh
# Installs what bay needs on a Debian host, and builds it. With `test`, also what the tests use. Node.js itself is only
# installed where the host has none and its packages are new enough (Debian 13).
set -eu
cd "$(dirname "$0")/.."

how="on Debian 13: apt-get install nodejs npm; on Debian 12 and Ubuntu: apt-get install npm && npm install -g node@22"

fail() {
  echo "setup: $1" >&2
  exit 1
}

require_root() {
  [ "$(id -u)" -eq 0 ] || fail "$1 needs root; run it with sudo, or as root"
}

candidate_is_new_enough() {
  version="$(apt-cache policy nodejs | sed -n 's/^ *Candidate: *//p')"
  dpkg --compare-versions "${version:-0}" ge 20.19
}

if ! command -v node >/dev/null; then
  require_root "installing Node.js"
  command -v apt-get >/dev/null || fail "bay needs Node.js 20.19 or newer, and there is no node in PATH"
  apt-get update -q
  candidate_is_new_enough || fail "bay needs Node.js 20.19 or newer, and there is no node in PATH; $how"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nodejs npm ca-certificates
fi
node scripts/need-node.cjs
command -v npm >/dev/null || fail "npm is missing: apt-get install npm"

packages="libnftables1 libseccomp2"
[ "${1:-}" = test ] && packages="$packages docker-registry skopeo umoci podman openssl attr mmdebstrap zstd nftables iproute2 busybox-static curl binutils binutils-aarch64-linux-gnu runc crun qemu-system-x86 cpio kmod xz-utils bzip2 git buildah apparmor systemd man-db bash zsh fish openssh-client openssh-server openvswitch-switch ethtool tcpdump wireguard-go wireguard-tools lxcfs nginx-light fcgiwrap"
missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  require_root "installing$missing"
  command -v apt-get >/dev/null || fail "install$missing first, by the packages of this system"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  # shellcheck disable=SC2086
  apt-get install -y -q --no-install-recommends $missing
fi
npm ci --ignore-scripts --no-audit --no-fund
npm run --silent build
node dist/bay.js completion install || true
