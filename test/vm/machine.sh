# Sourced by the tests of this folder: a stock Debian kernel (cgroup v2 only) in qemu, without an image of a disk.
# Needs root and qemu-system-x86, busybox-static, cpio, kmod, xz-utils. The kernel is kept in ~/.cache/bay-vm.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bay-vm
mkdir -p "$cache"

# What each test begins with: the built command, the kernel, and $run, a directory that is removed at the end.
prepare() {
  [ "$(uname -m)" = x86_64 ] || { echo "skipped: the machine is made for x86-64"; exit 0; }
  [ -f dist/bay.js ] || npm run --silent build
  fetch_kernel
  run=$(mktemp -d)
  trap 'rm -rf "$run"' EXIT
}

# Once: the kernel's package, unpacked and not installed, so that no boot loader is touched.
fetch_kernel() {
  [ -s "$cache/kernel" ] || (
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
  )
  release=$(cat "$cache/release")
}

# make_initrd MODULE...: /init loads the modules and runs the script on standard input, which has share().
make_initrd() {
  rm -rf "$run/initrd"
  mkdir -p "$run/initrd/bin" "$run/initrd/modules" "$run/out"
  cp /bin/busybox "$run/initrd/bin/"
  for module in virtio_pci 9pnet_virtio 9p overlay "$@"; do
    modprobe -d "$cache/package" -S "$release" --show-depends "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$run/order"
  while read -r file; do
    cp "$file" "$run/initrd/modules/"
    basename "$file" >> "$run/initrd/modules/order"
  done < "$run/order"
  {
    cat << 'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
while read -r name; do insmod "/modules/$name"; done < /modules/order
mkdir /host /changes /root
share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$3" "$1" "$2"; }
INIT
    cat
  } > "$run/initrd/init"
  chmod +x "$run/initrd/init"
  (cd "$run/initrd" && find . | cpio --quiet -o -H newc) > "$run/initrd.cpio"
}

# boot SECONDS FOLDER [OPTION...]: FOLDER is the share `host`, which is read-only; $run/out is the share `out`.
boot() {
  local limit=$1 folder=$2 acceleration=tcg
  shift 2
  grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ] && acceleration=kvm
  timeout "$limit" qemu-system-x86_64 -accel "$acceleration" -cpu max,la57=off -machine q35 -m 2048 -smp 2 \
    -nodefaults -display none -no-reboot -serial "file:$run/console" \
    -kernel "$cache/kernel" -initrd "$run/initrd.cpio" \
    -append 'console=ttyS0 loglevel=4 panic=-1 mitigations=off tsc=reliable cgroup_no_v1=all' \
    -virtfs "local,path=$folder,mount_tag=host,security_model=passthrough,readonly=on,multidevs=remap" \
    -virtfs "local,path=$run/out,mount_tag=out,security_model=none" "$@" < /dev/null || true
}
