#!/usr/bin/env bash
# Everything that must hold: format, vet, staticcheck, all tests on SQLite and on a PostgreSQL of this run's own, and
# the journeys in a real browser. Installs what is missing, leaves nothing running. See "make help".
set -euo pipefail
cd "$(dirname "$0")/.."

export CGO_ENABLED=0
export CI=true               # nothing may be skipped: a green run means both engines and the browser
export HOME="${HOME:-/root}" # Go keeps its caches there
export GOFLAGS="${GOFLAGS:-} -buildvcs=false" # a checkout that belongs to another account still builds
axe_version=4.14.1
axe_sum=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
axe=".cache/axe-$axe_version.min.js"

. scripts/packages.sh

prepare() {
	has go || PATH="$PATH:/usr/local/go/bin"
	has go || { echo 'Missing: Go 1.26 or newer, https://go.dev/dl/' >&2; exit 1; }
	local missing=()
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || has initdb || missing+=(postgresql)
	has fc-list && [ -n "$(fc-list 2>/dev/null | head -n 1)" ] || missing+=(fontconfig fonts-dejavu fonts-liberation)
	has nginx || [ -x /usr/sbin/nginx ] || missing+=(nginx-light) # in front of the program, as docs/operating.md sets it up
	compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(libfaketime) # a PostgreSQL whose clock is wrong
	has pgbouncer || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer) # between the program and PostgreSQL
	has spamassassin || missing+=(spamassassin) # what a mail filter thinks of the emails
	has gcc || missing+=(gcc libc6-dev) # for the race detector
	has npm || missing+=(npm) # for axe-core, and for the public clients that the tests drive
	if [ "${#missing[@]}" -gt 0 ]; then install "${missing[@]}"; fi
	has chromium-headless-shell || has chromium || has chromium-browser || has google-chrome || want_browser
	[ -f "$axe" ] || fetch_axe
	want_failover
}

# fetch_axe gets axe-core, the accessibility checker, and accepts only the copy that was looked at.
fetch_axe() {
	say "fetching axe-core $axe_version"
	local dir
	dir=$(mktemp -d)
	(cd "$dir" && npm pack --silent "axe-core@$axe_version" >/dev/null && tar -xzf axe-core-*.tgz package/axe.min.js)
	echo "$axe_sum  $dir/package/axe.min.js" | sha256sum --check --quiet
	mkdir -p .cache
	mv "$dir/package/axe.min.js" "$axe"
	rm -rf "$dir"
}

started=$SECONDS
log=$(mktemp)
trap 'rm -f "$log"' EXIT

prepare
say 'format, vet, staticcheck'
scripts/lint.sh

say 'tests on both engines'
status=0
# Three tests of the whole program at a time, since each mostly waits.
go run ./test/withpostgres go test -vet=off -timeout 60m -parallel 3 ./... 2>&1 | tee "$log" || status=1

# Under the race detector SQLite alone takes minutes to build, so this is what has no database below it; "make race" goes
# through everything.
say 'race detector'
CGO_ENABLED=1 go test -race -short -vet=off -timeout 10m ./secret/... ./lang ./fault ./fair ./cmd/rekey/oracle 2>&1 | tee -a "$log" || status=1

say 'fuzzing, a few seconds for each target'
scripts/fuzz.sh --quick 3s || status=1

say 'summary'
passed=$(grep -c '^ok ' "$log" || true)
failed=$(grep -c '^FAIL	' "$log" || true)
grep -E '^ *--- FAIL' "$log" || true
grep '^FAIL	' "$log" || true
[ -z "$left_out" ] || echo "left out: $left_out"
echo "$passed packages passed, $failed failed, in $((SECONDS - started)) s"
[ "$status" -eq 0 ] && echo 'everything holds' || echo 'something does not hold; see above'
exit "$status"
