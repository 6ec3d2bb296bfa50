#!/usr/bin/env bash
# The tests of the whole program that race it, kill it and restart it: the same as in make test, with REKEY_TORTURE rounds
# of the kills and a share of the others. Prints what docs/security.md holds. REKEY_SEED repeats a run.
set -euo pipefail
cd "$(dirname "$0")/.."

export CGO_ENABLED=0
export CI=true # both engines, or red
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
export REKEY_TORTURE="${REKEY_TORTURE:-300}"
tests='TestOneOfManyWins|TestLimitsAreExactOverNodesAndKill9|TestNothingIsLostWhen|TestKilledAtTheHandOver|TestAMigrationThatIsKilled|TestARollingRestart'

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "$REKEY_TORTURE rounds on $(nproc) cores, $(go version | cut -d ' ' -f 3), $(date -u +%F)"
status=0
go run ./test/withpostgres go test -count=1 -v -timeout 12h ./test -run "$tests" 2>&1 |
	tee "$log" | grep -E --line-buffered '^ *(--- |[a-z]+_test\.go:)|^(ok|FAIL|panic)' || status=1
grep -q '^ok' "$log" || status=1
[ "$status" -eq 0 ] && echo 'everything holds' || echo 'something does not hold; see above'
exit "$status"
