#!/usr/bin/env bash
# Every fuzz target for a while: scripts/fuzz.sh [--quick] [TIME], such as 5s or 10m for each. What a target finds is written into the
# testdata of its package, where it stays as a test: commit it with what mends it.
#
# --quick varies the corpus without watching which code it reaches. Watching needs all of the program built anew, SQLite
# included, which takes minutes once; this takes the build that the tests had.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
quick=
if [ "${1:-}" = --quick ]; then
	quick=yes
	shift
fi
each="${1:-5s}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fuzz FOLDER TARGET
fuzz() {
	if [ -z "$quick" ]; then
		# -fuzzminimizetime: an input that only finds new code is not worth a second of making it small.
		go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime "$each" -fuzzminimizetime 1x
		return
	fi
	[ -x "$work/$1.test" ] || { mkdir -p "$(dirname "$work/$1")" && go test -vet=off -c -o "$work/$1.test" "$1"; }
	(cd "$1" && "$work/$1.test" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$each" -test.fuzzminimizetime 1x -test.fuzzcachedir "$work/cache")
}

grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
	grep -o '^func Fuzz[A-Za-z0-9_]*' "$file" | sed 's/^func //' | while read -r target; do
		printf '%-32s ' "$(dirname "$file") $target"
		if ! out=$(fuzz "$(dirname "$file")" "$target" </dev/null 2>&1); then
			# The time can be up while an input is being tried; Go calls that a failure (golang.org/issue/75804).
			if ! grep -q 'context deadline exceeded' <<<"$out" || grep -q 'Failing input' <<<"$out"; then
				printf '\n%s\n' "$out" >&2
				exit 1
			fi
		fi
		grep -o 'execs: [0-9]*' <<<"$out" | tail -n 1 || echo 'no time to vary anything'
	done
done
