#!/usr/bin/env bash
# The failover of a PostgreSQL pair under load, with what it measured. See "make help".
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0 CI=true
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"

. scripts/packages.sh

has go || PATH="$PATH:/usr/local/go/bin"
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || has initdb || install postgresql
want_failover
if [ -n "$left_out" ]; then
	echo "skipped: $left_out" >&2
	exit 0
fi
go test ./test -run '^TestFailoverForgetsNothingAcknowledged$' -count=1 -v -timeout 30m
