#!/bin/bash
# Boots a stock Debian kernel (cgroup v2 only) on this host's files, copy on write, and runs inside.sh there.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/vm/machine.sh
prepare
make_initrd << 'INIT'
share host /host cache=loose
mount -t tmpfs changes /changes
mkdir /changes/upper /changes/work
mount -t overlay -o lowerdir=/host,upperdir=/changes/upper,workdir=/changes/work root /root
cd /root
for name in proc sys dev run; do mkdir -p "$name"; done
mount -t proc proc proc
mount -t sysfs sys sys
mount -t devtmpfs dev dev
mount -t tmpfs run run
mkdir -p dev/pts dev/shm dev/mqueue run/out run/scratch
mount -t devpts devpts dev/pts
mount -t tmpfs shm dev/shm
mount -t mqueue mqueue dev/mqueue
mount -t tmpfs scratch run/scratch
mount -t cgroup2 cgroup2 sys/fs/cgroup
share out run/out cache=none
exec switch_root /root /bin/sh /run/out/job
INIT

cat > "$run/out/job" << JOB
export PATH=$PATH HOME=/root TMPDIR=/run/scratch
mkdir -p /lib/modules
mount -o bind "$cache/package/lib/modules" /lib/modules
ip link set lo up
mount -t securityfs securityfs /sys/kernel/security
for name in \$(cat /sys/fs/cgroup/cgroup.controllers); do echo +\$name > /sys/fs/cgroup/cgroup.subtree_control; done
cd "$PWD"
{ sh test/vm/inside.sh && sh test/vm/gre.sh; } > /run/out/log 2>&1
echo \$? > /run/out/code
sync
/bin/busybox poweroff -f
JOB

boot 3600 /
cat "$run/out/log" 2> /dev/null || { echo "the machine did not start:"; tail -n 20 "$run/console"; exit 1; }
exit "$(cat "$run/out/code" 2> /dev/null || echo 1)"
