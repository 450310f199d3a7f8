#!/bin/sh
# From a fresh clone to a running stack: installs, builds, and brings examples/hello up.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
  echo "quick-start: bay starts containers and needs root; run: sudo $0" >&2
  exit 1
fi
./scripts/setup.sh
mkdir -p /usr/local/bin
ln -sf "$PWD/dist/bay.js" /usr/local/bin/bay
bay -f examples/hello/bay.yaml up --wait
bay -f examples/hello/bay.yaml ps
echo
echo "curl localhost:8080 now counts your visits; bay -f examples/hello/bay.yaml down takes it away."
