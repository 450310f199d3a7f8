#!/bin/sh
# Runs in the virtual machine, whose kernel has GRE: two hosts (network and mount namespaces) with a stack of two containers.
set -eu
repository=$(pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/bay-gre.XXXXXX")
export NO_COLOR=1
passed=0
ok() { passed=$((passed + 1)); echo "ok gre $passed $1"; }
fail() { echo "not ok gre: $1"; cat "$work"/*/root/bayd.log 2>/dev/null; exit 1; }
# Runs a command in a host: `on a bay ps`.
on() {
  host=$1
  shift
  BAY_ROOT=$work/$host/root BAY_RUN=$work/$host/run \
    nsenter -t "$(cat "$work/$host/pid")" -m -n -- sh -c 'cd "$0" && exec "$@"' "$work/stack" "$@"
}
bay="node $repository/dist/bay.js"
# Repeats a command until it succeeds, for at most ten minutes.
eventually() {
  end=$(($(cut -d. -f1 /proc/uptime) + 600))
  until "$@" > "$work/last" 2>&1; do
    [ "$(cut -d. -f1 /proc/uptime)" -lt $end ] || { cat "$work/last"; return 1; }
    sleep 0.2
  done
}

mkdir -p "$work/stack/box/bin"
cp /bin/busybox "$work/stack/box/bin/"
for name in sh sleep cat ping ip; do ln -s busybox "$work/stack/box/bin/$name"; done
cat > "$work/stack/bay.yaml" <<'STACK'
name: gre
hosts: all
images: { box: { rootfs: ./box } }
services:
  left: { image: box, command: sleep 10000, networks: [net], stop_grace_period: 0s, host: a }
  right: { image: box, command: sleep 10000, networks: [net], stop_grace_period: 0s, host: b }
networks:
  net: { driver: overlay, driver_opts: { encapsulation: gre, key: 42 } }
STACK
for host in a b; do ip netns add gre-$host; done
ip -n gre-a link add eth0 type veth peer name eth0 netns gre-b
number=0
for host in a b; do
  number=$((number + 1))
  ip -n gre-$host link set lo up
  ip -n gre-$host addr add 10.77.0.$number/24 dev eth0
  ip -n gre-$host link set eth0 up
  mkdir -p "$work/$host/cgroups"
  nsenter --net=/run/netns/gre-$host unshare -m --propagation private sh -c "
    mount --rbind /sys/fs/cgroup '$work/$host/cgroups' && mount -t sysfs sysfs /sys &&
    mount -t securityfs securityfs /sys/kernel/security &&
    mount --rbind '$work/$host/cgroups' /sys/fs/cgroup && touch '$work/$host/ready' && exec sleep 100000" &
  echo $! > "$work/$host/pid"
done
for host in a b; do while [ ! -e "$work/$host/ready" ]; do sleep 0.1; done; done

# bayd starts slowly under emulation
for host in a b; do eventually on $host $bay network ls || fail "bayd of host $host"; done
on a $bay host init --name a > /dev/null || fail "host init"
on b $bay $(on a $bay host invite | cut -d' ' -f2-) --name b > /dev/null || fail "host join"
while on a $bay host ls | grep -q unreachable; do sleep 0.5; done
# connections between hosts may time out under emulation
eventually on a $bay up -d || fail "up"
eventually on a $bay exec -T left ping -c 1 -W 2 right || fail "left does not reach right"
ok "containers of two hosts reach each other"
tunnel=$(on a ip -br link | sed -n 's/^\(bt[^@ ]*\).*/\1/p')
on a ip -d link show "$tunnel" > "$work/link"
grep -q 'gretap remote 10.77.0.2 local 10.77.0.1 .*ikey 0.0.0.42 okey 0.0.0.42' "$work/link" || fail "$(cat "$work/link")"
grep -q 'isolated on' "$work/link" || fail "the port is not isolated"
ok "the tunnel has the key, and is an isolated port"
[ "$(on a $bay exec -T left cat /sys/class/net/eth0/mtu)" = 1458 ] || fail "the MTU"
on a $bay exec -T left ping -c 1 -W 5 -s 1430 right > /dev/null || fail "a packet of the largest size"
ok "packets of the largest size pass"
on a ip link del "$tunnel"
eventually on a ip link show "$tunnel" || fail "the tunnel was not restored"
eventually on a $bay exec -T left ping -c 1 -W 2 right || fail "right is not reached again"
ok "a removed tunnel is restored"
on b nft list ruleset | grep -Eq 'meta l4proto (47|gre) @th,32,32 0x2a ip saddr != @members counter' || fail "$(on b nft list ruleset)"
ok "packets with the key from hosts that are not members are dropped"
on a $bay down || fail "down"
for host in a b; do
  on $host ip -br link | grep -E '^(bay|bt|ve)' && fail "a link of host $host is left"
  on $host $bay daemon stop
  kill "$(cat "$work/$host/pid")"
done
ok "down leaves no link"
