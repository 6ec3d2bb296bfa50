#!/usr/bin/env bash
# Every fuzz target for a while: scripts/fuzz.sh [TIME], such as 5s or 10m for each. What a target finds is written into the testdata of its
# package, where it stays as a test: commit it with what mends it.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
each="${1:-5s}"

grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
	grep -o '^func Fuzz[A-Za-z0-9_]*' "$file" | sed 's/^func //' | while read -r target; do
		printf '%-32s ' "$(dirname "$file") $target"
		# -fuzzminimizetime: an input that only finds new code is not worth a second of making it small.
		if ! out=$(go test "$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$each" -fuzzminimizetime 1x </dev/null 2>&1); then
			# The time can be up while an input is being tried; Go calls that a failure (golang.org/issue/75804).
			if ! grep -q 'context deadline exceeded' <<<"$out" || grep -q 'Failing input' <<<"$out"; then
				printf '\n%s\n' "$out" >&2
				exit 1
			fi
		fi
		grep -o 'execs: [0-9]*' <<<"$out" | tail -n 1
	done
done
