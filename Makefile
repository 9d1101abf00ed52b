# The words of the house. `make run` and `make test` are the README's two
# commands and need nothing but Go and Debian's package manager.
GO      ?= go
BIN     := bin/noren
TOOLS   := -modfile=tools/go.mod
ifndef NOREN_SEED
NOREN_SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif
export NOREN_SEED

.PHONY: build run test check e2e e2e-real pages bench soak docs deps clean

build: ## one static binary in bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/noren

run: build ## the demo: a sample shop, its traffic and attacks, the gateway before it
	$(BIN) demo

deps: ## Debian packages the tests need: PostgreSQL, Redis or Valkey, Chromium, fonts
	@scripts/deps

test: deps build check ## everything at a small scale, with a fresh printed seed
	@echo "seed $(NOREN_SEED) (repeat with: make test NOREN_SEED=$(NOREN_SEED))"
	$(GO) test -timeout 25m -p 2 ./...

check: ## formatting, vet, staticcheck, module files, generated docs
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) tool $(TOOLS) staticcheck ./...
	$(GO) mod verify >/dev/null
	$(GO) run ./cmd/noren docs --check

e2e: deps build ## the sample shop in real Chromium
	$(GO) test -count=1 -timeout 15m ./e2e/ -run Demo

e2e-real: build ## shops that are not ours, in real Chromium: WordPress from Debian's packages, Vendure from npm
	@scripts/deps --real
	NOREN_REAL=1 $(GO) test -count=1 -timeout 30m -v ./e2e/ -run Real

pages: deps ## what visitors see, in real Chromium: checked for accessibility, pictures into docs/operate/pages
	NOREN_SHOTS=$(CURDIR)/docs/operate/pages $(GO) test -count=1 -timeout 15m -v ./e2e/ -run 'PagesForEverybody'
	$(GO) test -count=1 ./e2e/ -run PicturesOfAllPages

bench: deps build ## the table of docs/internals/performance.md; big stores go to $$NOREN_BENCH_DIR
	@scripts/deps --bench || echo "nginx with libmodsecurity will not be measured"
	$(GO) run ./bench

soak: deps build ## what an issue states in full: kills, storms, fuzz; resumable, one verb at a time: make soak VERB=kill
	@scripts/soak $(VERB)

docs: ## docs/reference from the Go types
	$(GO) run ./cmd/noren docs

clean:
	rm -rf bin
