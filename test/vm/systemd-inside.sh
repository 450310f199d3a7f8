#!/bin/sh
# Runs in the machine, as a service: sh systemd-inside.sh first|second.
set -eu
# every sign that systemd, a shell or a path could read in its own way
export BAY_ROOT='/var/lib/bay/a b 50% $HOME "x" \;#' BAY_CONFIG=/etc/bay NO_COLOR=1
ok() { echo "ok $1" | tee -a /run/out/results; }
fail() {
  echo "not ok $1"
  systemctl status --no-pager bay bay-shutdown || true
  journalctl --no-pager -n 60 -u bay -u bay-shutdown || true
  exit 1
}
property() { systemctl show --value -p "$1" bay; }
pids() { bay inspect --format '{{.State.Pid}}' boot-web-1 boot-app-1 boot-db-1; }
# the machine emulates its processor, so states are waited for, for minutes
wait_for() {
  tries=0
  until "$@" > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "waiting for: $*"
    sleep 1
  done
}
answers() { bay daemon status; }
is_new() { [ "$(bay inspect --format '{{.State.Pid}}' "$1")" != "$2" ] && [ "$(bay inspect --format '{{.State.Running}}' "$1")" = true ]; }
exits() { [ "$(bay inspect --format '{{.State.Running}}' "$1")" = false ]; }

stack=/srv/boot
if [ "$1" = first ]; then
  mkdir -p "$stack/box/bin" "$stack/box/tmp" /etc/bay
  cp /bin/busybox "$stack/box/bin/"
  for name in sh sleep echo true; do ln -s busybox "$stack/box/bin/$name"; done
  cat > "$stack/bay.yaml" << 'STACK'
name: boot
images: { box: { rootfs: ./box } }
x-service: &service
  image: box
  restart: always
  stop_grace_period: 4m
  volumes: [/run/out:/out]
services:
  db: { <<: *service, command: "sh -c 'trap \"echo db >> /out/order; exit\" TERM; while :; do sleep 1; done'" }
  app: { <<: *service, depends_on: [db], mem_limit: 64m, command: "sh -c 'trap \"echo app >> /out/order; exit\" TERM; while :; do sleep 1; done'" }
  web: { <<: *service, depends_on: [app], restart: unless-stopped, command: "sh -c 'trap \"echo web >> /out/order; exit\" TERM; while :; do sleep 1; done'" }
  once: { image: box, restart: "no", stop_grace_period: 0s, command: sleep 100000 }
STACK
  cd "$stack"
  # its limit for the start of bayd is for a machine with a processor of its own
  bay up -d || { wait_for answers; bay up -d; } || fail "up"
  before=$(pids)
  ok "a stack runs before bayd is a service"

  groupadd users-of-bay
  export http_proxy='http://proxy.example:3128/a%20b' HTTPS_PROXY='http://me:p$HOME"`\%@proxy.example:3128' no_proxy='localhost,.example'
  bay daemon install --no-repair --group users-of-bay > /run/out/installed || { cat /run/out/installed; fail "install"; }
  for unit in bay bay-shutdown; do
    systemctl is-active --quiet "$unit" && systemctl is-enabled --quiet "$unit" || fail "$unit is not active and enabled"
  done
  [ "$(pids)" = "$before" ] || fail "daemon install did not keep the containers"
  ok "daemon install takes the place of the bayd that bay up started, and containers keep running"
  pid=$(property MainPID)
  given() { tr '\0' '\n' < "/proc/$pid/environ" | grep -Fqx "$1" || { tr '\0' '\n' < "/proc/$pid/environ"; fail "bayd has not: $1"; }; }
  given "BAY_ROOT=$BAY_ROOT"
  given "http_proxy=$http_proxy"
  given "HTTPS_PROXY=$HTTPS_PROXY"
  given "no_proxy=$no_proxy"
  tr '\0' '\n' < "/proc/$pid/cmdline" | grep -Fqx -e '--no-repair' || fail "bayd has no flag --no-repair"
  [ "$(stat -c %G /run/bay/bay.sock)" = users-of-bay ] || fail "the socket has the group $(stat -c %G /run/bay/bay.sock)"
  [ "$(stat -c %a /etc/bay/bayd.env)" = 600 ] || fail "the mode of bayd.env"
  if grep -rF 'p$HOME' /etc/systemd/system/bay*.service || grep -F 'p$HOME' /run/out/installed; then fail "the password is in a unit"; fi
  ok "bayd has the flags, the folders and the proxies of the command, to the letter"

  systemctl restart bay || fail "systemctl restart"
  wait_for answers
  [ "$(property MainPID)" != "$pid" ] || fail "restart did not start another bayd"
  kill -9 "$(property MainPID)"
  wait_for answers
  systemctl daemon-reload
  systemctl daemon-reexec
  [ "$(pids)" = "$before" ] || fail "containers were restarted"
  [ "$(cat /sys/fs/cgroup/bay-*/"$(bay ps -q app | cut -c1-16)"/memory.max)" = 67108864 ] || fail "the limit of app"
  ok "restart, SIGKILL of bayd and a new systemd keep the containers and their limits"
  app=$(bay inspect --format '{{.State.Pid}}' boot-app-1)
  kill -9 "$app"
  wait_for is_new boot-app-1 "$app"
  ok "the restart policy holds under the service"

  running=$(pids)
  systemctl stop bay || fail "systemctl stop"
  systemctl is-active --quiet bay-shutdown || fail "stop of bay stopped bay-shutdown too"
  kill -0 $running || fail "stop of bay ended containers"
  bay daemon status && fail "bayd runs after systemctl stop"
  systemctl start bay || fail "systemctl start"
  wait_for answers
  ok "stop and start of the service keep the containers"

  echo '{ "default-pids-limit": 321 }' > /etc/bay/daemon.json
  systemctl reload bay || fail "systemctl reload"
  bay info | grep -q 321 || fail "the settings are not in force"
  before=$(property MainPID)
  echo '{ "no-such-key": 1 }' > /etc/bay/daemon.json
  if systemctl reload bay; then fail "reload accepts a key that does not exist"; fi
  journalctl --no-pager -u bay | grep -q 'no-such-key' || fail "the journal does not name the key"
  rm /etc/bay/daemon.json
  systemctl reload bay || fail "reload without daemon.json"
  [ "$(property MainPID)" = "$before" ] && [ "$(property ActiveState)" = active ] || fail "reload restarted bayd"
  ok "reload reads daemon.json again, and refuses one that is not valid"
  rm -f /run/out/order
  sync
else
  cd "$stack"
  wait_for answers
  for name in db app web; do wait_for bay exec -T "$name" true; done
  exits boot-once-1 || fail "a container with restart: no was started by the boot"
  ok "the boot starts bayd and the containers whose restart policy is not no"

  before=$(pids)
  bay daemon uninstall || fail "uninstall"
  kill -0 $before || fail "uninstall ended containers"
  [ ! -e /etc/systemd/system/bay.service ] && [ ! -e /etc/bay/bayd.env ] || fail "uninstall left files"
  ok "uninstall removes the units and keeps the containers"

  # as a login does: systemd ends all processes that the session has left; if the limit for the start of bayd was too short, the
  # failed command must not end the session, and bayd with it
  systemd-run --quiet --unit=session --property=RemainAfterExit=yes --working-directory="$stack" \
    --setenv=BAY_ROOT="$BAY_ROOT" --setenv=PATH="$PATH" \
    sh -c 'bay up -d || { until bay daemon status; do sleep 1; done; bay up -d; }' || fail "up in a session"
  wait_for answers
  bayd_pid=$(bay daemon status | sed 's/[^0-9]//g')
  grep -q session.service "/proc/$bayd_pid/cgroup" || fail "bayd is not in the session"
  systemctl stop session || fail "stop of the session"
  if systemctl is-failed --quiet session; then fail "the session ended by a time limit"; fi
  kill -0 $before || fail "the end of the session ended containers"
  ok "the end of a session ends bayd and its keepers at once, and keeps the containers"

  bay up -d && bay down -v && bay daemon stop || fail "bay without its units"
  ok "bay works without its units"
fi
