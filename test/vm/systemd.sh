#!/bin/bash
# `bay daemon install` on a Debian 12 of its own that systemd boots, twice: a stop of the machine is a part of the test.
# bay is installed there from its package. The system is kept in ~/.cache/bay-vm; needs mmdebstrap and e2fsprogs too.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/vm/machine.sh
prepare
system=$cache/debian12
if [ ! -x "$system/usr/local/bin/node" ]; then
  rm -rf "$system" "$system.new"
  mmdebstrap --quiet --variant=minbase \
    --include=systemd-sysv,dbus,kmod,procps,libnftables1,libseccomp2,busybox-static,libstdc++6 \
    bookworm "$system.new" http://deb.debian.org/debian
  npm install --silent --global --prefix "$system.new/usr/local" node@22
  mv "$system.new" "$system"
fi
npm pack --silent --ignore-scripts --pack-destination "$run" > /dev/null
npm install --silent --global --ignore-scripts --prefix "$system/usr/local" "$run"/bayplan-*.tgz
cat > "$system/etc/systemd/system/bay-test.service" << 'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/sh /run/out/job
StandardOutput=file:/run/out/output
StandardError=inherit
UNIT
mkdir -p "$system/etc/systemd/system/multi-user.target.wants"
ln -sf ../bay-test.service "$system/etc/systemd/system/multi-user.target.wants/"

# changes are on a disk, so that the second boot has those of the first
truncate -s 2G "$run/disk"
mkfs.ext4 -q -F "$run/disk"
make_initrd virtio_blk ext4 << 'INIT'
share host /host cache=loose
mkdir -p /dev
mount -t devtmpfs dev /dev
mount -t ext4 /dev/vda /changes || { echo "the disk of the changes was not mounted"; poweroff -f; }
mkdir -p /changes/upper /changes/work /changes/bay
mount -t overlay -o lowerdir=/host,upperdir=/changes/upper,workdir=/changes/work root /root
cd /root
mkdir -p var/lib/bay usr/lib/modules
mount -o bind /changes/bay var/lib/bay
mount -t tmpfs run run
mkdir run/out
share out run/out cache=none
share modules usr/lib/modules cache=loose
exec switch_root /root /sbin/init
INIT
cp test/vm/systemd-inside.sh "$run/out/inside"

for part in first second; do
  rm -f "$run/out/code"
  cat > "$run/out/job" << JOB
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
sh /run/out/inside $part > /run/out/log 2>&1
echo \$? > /run/out/code
systemctl --no-block poweroff
JOB
  boot 3000 "$system" -drive "file=$run/disk,format=raw,if=virtio,cache=unsafe" \
    -virtfs "local,path=$cache/package/lib/modules,mount_tag=modules,security_model=none,readonly=on"
  cat "$run/out/log" 2> /dev/null || { echo "the machine did not start:"; tail -n 20 "$run/console"; exit 1; }
  [ "$(cat "$run/out/code" 2> /dev/null || echo 1)" = 0 ] || exit 1
  [ "$part" = second ] || [ "$(cat "$run/out/order" 2> /dev/null)" = "$(printf 'web\napp\ndb')" ] || {
    echo "not ok the stop of the machine ended the containers in this order: $(cat "$run/out/order")"
    exit 1
  }
done
echo "$(grep -c '^ok ' "$run/out/results") passed, 0 failed"
