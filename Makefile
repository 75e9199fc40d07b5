# Everything is installed by the targets that need it (Debian; as root, or with
# sudo): `make test` on a fresh machine with Go, git, make and a C compiler.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 10m
PACKAGES    := ./...

.PHONY: all build run test check ci bench bench-futures fuzz tools clean

all: build

build: ## bin/flow, static: it runs on any Linux, and starts sooner
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/flow ./cmd/flow

run: ## the main example
	$(GO) run ./cmd/flow run examples/workflows/weather.yaml

tools: ## what the tests need beyond Go
	@scripts/tools

test: tools ## all tests: packages, command line, examples
	FLOW_TEST_BROWSER=1 $(GO) test -race -timeout 20m $(PACKAGES)

check: tools ## form, analysis, a few seconds of each fuzz test, each benchmark once
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt would change:" $$out >&2; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@out=$$($(GO) fix -diff ./... 2>&1); if [ -n "$$out" ]; then echo "$$out"; echo "run: go fix ./..." >&2; exit 1; fi
	scripts/fuzz 3s
	$(GO) test -run '^$$' -bench . -benchtime 1x $(PACKAGES)

ci: test check

bench: build ## medians and ratios beside peers
	bench/run

bench-futures: ## futures and pools beside Python's and other pools for Go
	python3 bench/futures.py

fuzz: ## each fuzz test for FUZZTIME
	scripts/fuzz $(FUZZTIME)

clean:
	rm -rf bin
