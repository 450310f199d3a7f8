#!/bin/sh
# Runs in the virtual machine, on cgroup v2: a stack starts, its limits hold, exec works, it stops without a trace.
set -eu
work=$(mktemp -d "${TMPDIR:-/tmp}/bay-vm.XXXXXX")
export BAY_ROOT="$work/root" BAY_RUN="$work/run" NO_COLOR=1
bay() { node "$repository/dist/bay.js" "$@"; }
repository=$(pwd)
passed=0
ok() { passed=$((passed + 1)); echo "ok $passed $1"; }
fail() { echo "not ok $1"; cat "$work/root/bayd.log" 2>/dev/null; exit 1; }

mkdir -p "$work/stack/box/bin" "$work/stack/box/tmp"
cp /bin/busybox "$work/stack/box/bin/"
for name in sh sleep cat dd head tail mknod true mount; do ln -s busybox "$work/stack/box/bin/$name"; done
cat > "$work/stack/bay.yaml" <<'STACK'
name: two
images: { box: { rootfs: ./box } }
services:
  a: { image: box, command: sleep 1000, stop_grace_period: 0s, mem_limit: 64m, cpus: 0.5, pids_limit: 30, cpu_shares: 512 }
  hog: { image: box, command: "sh -c 'tail /dev/zero'", mem_limit: 16m, memswap_limit: 16m }
STACK
cd "$work/stack"
[ -f /sys/fs/cgroup/cgroup.controllers ] || fail "this is not cgroup v2"

before=$(find /sys/fs/cgroup -type d | sort)
bay up -d || fail "up"
ok "a stack comes up"
group=$(echo /sys/fs/cgroup/bay-*/"$(bay ps -q a | cut -c1-16)")
[ "$(cat "$group/memory.max")" = 67108864 ] || fail "memory.max is $(cat "$group/memory.max")"
[ "$(cat "$group/cpu.max")" = "50000 100000" ] || fail "cpu.max is $(cat "$group/cpu.max")"
[ "$(cat "$group/pids.max")" = 30 ] || fail "pids.max is $(cat "$group/pids.max")"
ok "limits are in the kernel"
bay plan --detailed-exitcode > "$work/plan" || { cat "$work/plan"; grep -q hog "$work/plan" || fail "plan"; }
# a command has a group of its own below the container's, and sees nothing above that
bay exec -T a cat /proc/self/cgroup > "$work/cgroup"
grep -Eqx '0::/client-[0-9a-f]{16}' "$work/cgroup" || fail "the cgroup namespace: $(cat "$work/cgroup")"
ok "exec joins the container and its cgroup namespace"
bay exec -T a sh -c 'head -c 1 /dev/zero > /dev/null' || fail "/dev/zero"
if bay exec -T a mknod /tmp/disk b 254 0 2> /dev/null; then fail "a block device could be made"; fi
ok "the device filter allows what it should and nothing else"
sed -i 's/64m/96m/' bay.yaml
bay up -d a || fail "update"
[ "$(cat "$group/memory.max")" = 100663296 ] || fail "the limit did not change in place"
ok "a limit changes in place"
bay ps -a --format json | grep -q '"OOMKilled":true' || fail "the hog was not said to be killed for memory"
ok "a memory hog is killed and said to be"
bay pause a && grep -q 'frozen 1' "$group/cgroup.events" || fail "pause"
bay unpause a
ok "pause freezes"
profile() { bay exec -T "$1" cat /proc/self/attr/current; }
if [ -e /sys/kernel/security/apparmor ]; then
  [ "$(profile a)" = "bay-default (enforce)" ] || fail "the profile is $(profile a)"
  [ "$(cat "/proc/$(bay ps --format json a | sed -n 's/.*"Pid":\([0-9]*\).*/\1/p')/attr/current")" = "bay-default (enforce)" ] || fail "pid 1 is not confined"
  sed -i 's/mem_limit: 96m/cap_add: [SYS_ADMIN], security_opt: ["seccomp=unconfined"], mem_limit: 96m/' bay.yaml
  bay up -d a || fail "cap_add"
  if bay exec -T a mount -t tmpfs none /tmp 2> /dev/null; then fail "the profile let it mount"; fi
  if bay exec -T a sh -c 'echo 1 > /proc/sys/vm/swappiness' 2> /dev/null; then fail "the profile let it write to /proc/sys"; fi
  sed -i 's/"seccomp=unconfined"/"seccomp=unconfined", "apparmor=unconfined"/' bay.yaml
  bay up -d a || fail "unconfined"
  case $(profile a) in unconfined*) ;; *) fail "it is confined by $(profile a)" ;; esac
  bay exec -T a mount -t tmpfs none /tmp || fail "unconfined it cannot mount"
  sed -i 's/apparmor=unconfined/apparmor=none-such/' bay.yaml
  bay up -d a 2>&1 | grep -q 'the kernel has no AppArmor profile none-such' || fail "a profile that is not there"
  ok "AppArmor confines, by bay's profile, by none, and by none that is not there"
fi
bay down -v || fail "down"
bay daemon stop
sleep 1
[ "$(find /sys/fs/cgroup -type d | sort)" = "$before" ] || fail "cgroups are left behind"
ok "nothing is left behind"
echo "$passed passed, 0 failed"
