#!/bin/sh
# The classic exercise with two bridges of Open vSwitch and a GRE tunnel, from a stack file: makes two hosts on this machine
# (network and mount namespaces joined by a veth pair, each with its own Open vSwitch), runs the stack on them, and removes
# everything. It needs root, iproute2, util-linux, ethtool, openvswitch-switch and a static busybox (busybox-static).
set -eu
cd "$(dirname "$0")"
bay=${BAY:-bay}
work=$(mktemp -d)
tag=ovsgre-$$

# Runs a command in a host: `on a bay ps`.
on() {
  host=$1
  shift
  BAY_ROOT=$work/$host/root BAY_RUN=$work/$host/run \
    nsenter -t "$(cat "$work/$host/pid")" -m -n -- sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
}

cleanup() {
  on a $bay down || true
  for host in a b; do
    on $host $bay daemon stop || true
    on $host sh -c 'kill $(cat /run/openvswitch/*.pid)' || true
    kill "$(cat "$work/$host/pid")"
    ip netns del $tag-$host
  done
  rm -rf "$work" box
}

# Open vSwitch with a database of its own. Its datapath in user space, which needs no module of the kernel, reaches the other
# host through a bridge that has the network card and the host's address. With the module, a plain interface is enough.
start_switch() {
  on $1 sh -ec "
    mkdir -p /run/openvswitch && mount -t tmpfs tmpfs /run/openvswitch && cd /run/openvswitch
    quiet='--pidfile --detach --no-chdir --log-file=/dev/null -vconsole:off -vsyslog:off'
    ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema
    ovsdb-server conf.db --remote=punix:/run/openvswitch/db.sock \$quiet
    ovs-vsctl --no-wait init
    ovs-vswitchd \$quiet
    ethtool -K eth0 tx off
    ovs-vsctl add-br underlay -- set bridge underlay datapath_type=netdev -- add-port underlay eth0
    ip addr add $2/24 dev underlay
    ip link set underlay up" > "$work/$1/switch.log" 2>&1 || cat "$work/$1/switch.log" >&2
}

mkdir -p box/bin box/etc box/tmp box/proc box/sys box/dev
cp /bin/busybox box/bin/busybox
for name in $(/bin/busybox --list); do [ "$name" = busybox ] || ln -sf busybox "box/bin/$name"; done

for host in a b; do ip netns add $tag-$host; done
ip -n $tag-a link add eth0 type veth peer name eth0 netns $tag-b
for host in a b; do
  ip -n $tag-$host link set lo up
  ip -n $tag-$host link set eth0 up
  mkdir -p "$work/$host/cgroups"
  # /sys of a host shows its own network
  nsenter --net=/run/netns/$tag-$host unshare -m --propagation private sh -c "
    mount --rbind /sys/fs/cgroup '$work/$host/cgroups' && mount -t sysfs sysfs /sys &&
    mount --rbind '$work/$host/cgroups' /sys/fs/cgroup && touch '$work/$host/ready' && exec sleep infinity" &
  echo $! > "$work/$host/pid"
done
trap cleanup EXIT
for host in a b; do while [ ! -e "$work/$host/ready" ]; do sleep 0.1; done; done
start_switch a 10.77.0.1
start_switch b 10.77.0.2

on a $bay host init --name a
on b $bay $(on a $bay host invite | cut -d' ' -f2-) --name b
while on a $bay host ls | grep -q unreachable; do sleep 0.2; done

on a $bay up -d
for host in a b; do on $host ovs-vsctl show; done
# each container reaches the other by its name, through the tunnel
on a $bay exec -T left ping -c 3 right
on a $bay exec -T right ping -c 3 left
