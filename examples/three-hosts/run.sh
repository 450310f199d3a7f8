#!/bin/sh
# Makes three hosts on this machine (network and mount namespaces joined by a bridge), runs the stack on them, and removes
# everything. It needs root, iproute2, util-linux and a static busybox (apt install busybox-static).
set -eu
cd "$(dirname "$0")"
bay=${BAY:-bay}
work=$(mktemp -d)
tag=three-$$

# Runs a command in a host: `on a bay ps`.
on() {
  host=$1
  shift
  BAY_ROOT=$work/$host/root BAY_RUN=$work/$host/run \
    nsenter -t "$(cat "$work/$host/pid")" -m -n -- sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
}

cleanup() {
  on a $bay down || true
  for host in a b c; do
    on $host $bay daemon stop || true
    kill "$(cat "$work/$host/pid")"
    ip netns del $tag-$host
  done
  ip netns del $tag-switch
  rm -rf "$work" box
}

mkdir -p box/bin box/etc box/tmp box/proc box/sys box/dev
cp /bin/busybox box/bin/busybox
for name in $(/bin/busybox --list); do [ "$name" = busybox ] || ln -sf busybox "box/bin/$name"; done

ip netns add $tag-switch
ip -n $tag-switch link add br0 type bridge
ip -n $tag-switch link set br0 up
number=0
for host in a b c; do
  number=$((number + 1))
  ip netns add $tag-$host
  ip -n $tag-switch link add p$number type veth peer name eth0 netns $tag-$host
  ip -n $tag-switch link set p$number master br0 up
  ip -n $tag-$host link set lo up
  ip -n $tag-$host addr add 10.77.0.$number/24 dev eth0
  ip -n $tag-$host link set eth0 up
  mkdir -p "$work/$host/cgroups"
  # /sys of a host shows its own network
  nsenter --net=/run/netns/$tag-$host unshare -m --propagation private sh -c "
    mount --rbind /sys/fs/cgroup '$work/$host/cgroups' && mount -t sysfs sysfs /sys &&
    mount --rbind '$work/$host/cgroups' /sys/fs/cgroup && touch '$work/$host/ready' && exec sleep infinity" &
  echo $! > "$work/$host/pid"
done
trap cleanup EXIT
for host in a b c; do while [ ! -e "$work/$host/ready" ]; do sleep 0.1; done; done

on a $bay host init --name a
for host in b c; do on $host $bay $(on a $bay host invite | cut -d' ' -f2-) --name $host; done
while on a $bay host ls | grep -q unreachable; do sleep 0.2; done

on a $bay plan
on a $bay up -d
on b $bay ps
# the client, on host a, reaches all containers by the name of their service
on a $bay exec -T client nslookup web
