#!/bin/sh
# The fast loop: what needs neither PostgreSQL nor a browser nor the network. See "make help".
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0

scripts/lint.sh
REKEY_TEST_ENGINES=sqlite go test -short ./...
echo 'check: format, vet, staticcheck and the unit tests on SQLite passed'
