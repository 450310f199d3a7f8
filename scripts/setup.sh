#!/bin/sh
# Installs what bay needs on a Debian host, and builds it. With `test`, also what the tests use.
set -eu
cd "$(dirname "$0")/.."
packages="libnftables1 libseccomp2"
[ "${1:-}" = test ] && packages="$packages docker-registry skopeo umoci podman openssl attr mmdebstrap zstd nftables iproute2 busybox-static curl binutils binutils-aarch64-linux-gnu runc crun qemu-system-x86 cpio kmod xz-utils bzip2 git buildah apparmor systemd bash zsh fish"
missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  # shellcheck disable=SC2086
  apt-get install -y -q --no-install-recommends $missing
fi
npm ci --ignore-scripts --no-audit --no-fund
npm run --silent build
node dist/bay.js completion install || true
