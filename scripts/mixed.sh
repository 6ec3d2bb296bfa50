#!/usr/bin/env bash
# Two versions side by side: builds the program of an older commit, and lets the nodes of the rolling restart, and those that
# are killed under load, start in it and in this version by turns.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -eq 1 ] && [ -n "$1" ] || { echo 'Say which commit is the older version: make mixed OLDER=COMMIT' >&2; exit 2; }
export CGO_ENABLED=0
dir=$(mktemp -d)
trap 'git worktree remove --force "$dir/older" 2>/dev/null; rm -rf "$dir"' EXIT
git worktree add --quiet --detach "$dir/older" "$1"
(cd "$dir/older" && go build -buildvcs=false -o "$dir/rekey" ./cmd/rekey)
REKEY_OLDER_PROGRAM="$dir/rekey" REKEY_TORTURE="${REKEY_TORTURE:-100}" CI=true \
	go run ./test/withpostgres go test -vet=off -count=1 -v -timeout 1h ./test -run 'TestARollingRestartFailsNobody|TestNothingIsLostWhenTheServerIsKilled'
