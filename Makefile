# Everything that one types. The work itself is in scripts/ and in Go.

export CGO_ENABLED = 0

.DEFAULT_GOAL := help
.PHONY: help run build test torture failover mixed check race fuzz bench breach import docs screenshots clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## the demo: two stores, a console, a mailbox, nothing to set up
	@bin/rekey demo

build: ## the program, as bin/rekey
	@go build -trimpath -o bin/rekey ./cmd/rekey

check: ## the fast loop: format, vet, staticcheck, unit tests on SQLite
	@scripts/check.sh

test: ## everything: both engines, the whole program, a real browser; installs what is missing
	@scripts/test.sh

failover: ## kill the primary of a PostgreSQL pair under load, and see what was promised; installs Patroni
	@scripts/failover.sh

mixed: ## restart and kill nodes in this version and an older one by turns, under load: make mixed OLDER=COMMIT
	@scripts/mixed.sh "$(OLDER)"

torture: ## the tests that race and kill, REKEY_TORTURE rounds of them (300); last figures in docs/security.md
	@scripts/torture.sh

race: ## unit tests under the race detector (needs a C compiler)
	@CGO_ENABLED=1 REKEY_TEST_ENGINES=sqlite go test -short -race ./...

fuzz: ## every fuzz target for a minute (FUZZ=10m: longer); what is found stays as a test
	@scripts/fuzz.sh $(or $(FUZZ),1m)

bench: ## durable commits and sign-ins per second, beside the raw disk and the raw hash
	@go test -run '^$$' -bench . -benchtime 2s ./...

breach: ## press for a million customers on both engines, and measure what others wait for meanwhile; takes long
	@REKEY_BREACH_CUSTOMERS=1000000 go run ./test/withpostgres go test ./incident -run TestABreachDayOfACrowd -count=1 -v -timeout 4h

import: ## import 40,000 customers beside a running server on both engines, and measure what signing in takes meanwhile
	@REKEY_IMPORT_ROWS=40000 go run ./test/withpostgres go test ./test -run TestAnImportLeavesShoppersTheirTurn -count=1 -v -timeout 1h

docs: ## docs/configuration.md and docs/licences.md, from what they describe
	@REKEY_WRITE_DOCS=1 go test -run "TestConfigurationPageIsCurrent|TestLicencesAreListedAndPermitted" -count=1 . ./shop

screenshots: ## draw every page and letter into screenshots/
	@REKEY_SCREENSHOTS=$(CURDIR)/screenshots go test ./test -run TestDrawEveryPage -count=1 -timeout 20m
	@echo screenshots/index.html

clean: ## remove what the other commands made
	@rm -rf bin screenshots .cache
