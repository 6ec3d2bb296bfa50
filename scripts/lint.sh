#!/bin/sh
# What a reader of the source may rely on: format, vet, staticcheck.
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0

unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
	printf 'not formatted (gofmt -w):\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
go tool -modfile=tools.mod staticcheck ./...
