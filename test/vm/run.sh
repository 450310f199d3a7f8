#!/bin/bash
# Boots a stock Debian kernel (cgroup v2 only) in qemu on this host's files, copy on write, and runs inside.sh there.
# Needs root and qemu-system-x86, busybox-static, cpio, kmod, xz-utils. The kernel is kept in ~/.cache/bay-vm.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(uname -m)" = x86_64 ] || { echo "skipped: the machine is made for x86-64"; exit 0; }
[ -f dist/bay.js ] || npm run --silent build
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bay-vm
mkdir -p "$cache"

if [ ! -s "$cache/kernel" ]; then
  name=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
  rm -rf "$cache/package"
  mkdir "$cache/package"
  (cd "$cache/package" && apt-get -qq -o APT::Sandbox::User=root download "$name" && dpkg -x ./*.deb .)
  release=${name#linux-image-}
  depmod -b "$cache/package" "$release"
  # the kernel proper inside the boot image: qemu starts it directly, without unpacking under emulation
  image=$cache/package/boot/vmlinuz-$release
  start=$(LC_ALL=C grep -abo $'\xfd7zXZ' "$image" | head -n 1 | cut -d: -f1)
  tail -c +"$((start + 1))" "$image" | xz -dcq --single-stream > "$cache/kernel.new" || true
  echo "$release" > "$cache/release"
  mv "$cache/kernel.new" "$cache/kernel"
fi
release=$(cat "$cache/release")

run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
mkdir -p "$run/initrd/bin" "$run/initrd/modules" "$run/out"
cp /bin/busybox "$run/initrd/bin/"
for module in virtio_pci 9pnet_virtio 9p overlay; do
  modprobe -d "$cache/package" -S "$release" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$run/order"
while read -r file; do
  cp "$file" "$run/initrd/modules/"
  basename "$file" >> "$run/initrd/modules/order"
done < "$run/order"

cat > "$run/initrd/init" << 'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
while read -r name; do insmod "/modules/$name"; done < /modules/order
mkdir /host /changes /root
share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$3" "$1" "$2"; }
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
chmod +x "$run/initrd/init"
(cd "$run/initrd" && find . | cpio --quiet -o -H newc) > "$run/initrd.cpio"

cat > "$run/out/job" << JOB
export PATH=$PATH HOME=/root TMPDIR=/run/scratch
mkdir -p /lib/modules
mount -o bind "$cache/package/lib/modules" /lib/modules
ip link set lo up
mount -t securityfs securityfs /sys/kernel/security
for name in \$(cat /sys/fs/cgroup/cgroup.controllers); do echo +\$name > /sys/fs/cgroup/cgroup.subtree_control; done
cd "$PWD"
sh test/vm/inside.sh > /run/out/log 2>&1
echo \$? > /run/out/code
sync
/bin/busybox poweroff -f
JOB

acceleration=tcg
grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ] && acceleration=kvm
timeout 3600 qemu-system-x86_64 -accel "$acceleration" -cpu max,la57=off -machine q35 -m 2048 -smp 2 \
  -nodefaults -display none -no-reboot -serial "file:$run/console" \
  -kernel "$cache/kernel" -initrd "$run/initrd.cpio" \
  -append 'console=ttyS0 loglevel=4 panic=-1 mitigations=off tsc=reliable cgroup_no_v1=all' \
  -virtfs local,path=/,mount_tag=host,security_model=passthrough,readonly=on,multidevs=remap \
  -virtfs "local,path=$run/out,mount_tag=out,security_model=none" < /dev/null || true
cat "$run/out/log" 2> /dev/null || { echo "the machine did not start:"; tail -n 20 "$run/console"; exit 1; }
exit "$(cat "$run/out/code" 2> /dev/null || echo 1)"
