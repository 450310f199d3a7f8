#!/bin/sh
# Makes a git repository in a temporary directory, follows it, pushes a change and a bad one, shows the rollback, and removes
# everything. It needs root, git and curl.
set -eu
cd "$(dirname "$0")"
bay=${BAY:-bay}
work=$(mktemp -d)
source=gitops-example

cleanup() {
  $bay gitops rm $source --down --volumes || true
  rm -rf "$work"
}
trap cleanup EXIT

in_repository() {
  git -C "$work/infra" -c user.name=Ada -c user.email=ada@example.org "$@"
}

# Commits version $1 of the page.
push_version() {
  sed "s/VERSION: \"1\"/VERSION: \"$1\"/" bay.yaml >"$work/infra/bay.yaml"
  in_repository add -A
  in_repository commit -q -m "Version $1"
  in_repository push -q origin HEAD:main
  echo "--- pushed version $1"
}

page() {
  curl -sS --retry 30 --retry-delay 1 --retry-all-errors http://127.0.0.1:8096/
}

# Waits until the log of the source has a line with $1.
wait_for() {
  until $bay gitops log $source | grep -q "$1"; do sleep 0.2; done
}

git init -q --bare -b main "$work/infra.git"
git clone -q "$work/infra.git" "$work/infra" 2>/dev/null
cp server.mjs "$work/infra/"

push_version 1
$bay gitops add $source --repo "$work/infra.git" --branch main --interval 1s
wait_for "applied.*Version 1"
page

push_version 2
wait_for "applied.*Version 2"
page

push_version broken
wait_for "rolled back.*Version broken"
echo "--- the broken version was rolled back:"
page
$bay gitops status $source

echo "--- a manual change is repaired:"
$bay -p $source rm --stop --force web
wait_for "drift repaired"
page

$bay gitops log $source
