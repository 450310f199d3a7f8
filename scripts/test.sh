#!/bin/sh
# Installs what the tests need and runs all of them, as root.
set -eu
cd "$(dirname "$0")/.."
./scripts/setup.sh test
node scripts/test.mjs "$@"
