GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   = -s -w -X github.com/msctl/msctl/cmd.buildVersion=$(VERSION)
TIMEOUT  ?= 10m
FUZZTIME ?= 10s
ARGS     ?=

TEMPLATES = $(patsubst %/template.yaml,%,$(wildcard templates/*/template.yaml))
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

# A tool's file is named by its package and version, so a new version installs itself.
GOFUMPT     = .tools/mvdan.cc/gofumpt@v0.12.0/gofumpt
GOLANGCI    = .tools/github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0/golangci-lint
GOVULNCHECK = .tools/golang.org/x/vuln/cmd/govulncheck@v1.9.0/govulncheck

.PHONY: help build test test-templates generate lint fmt bench bench-gateway bench-registry fuzz cross vuln clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build ./msctl: static, no cgo
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o msctl$(shell $(GO) env GOEXE) .

test: ## Run every test under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout $(TIMEOUT) ./...
	CGO_ENABLED=0 $(GO) test -run 'AllocatesNothing$$' ./proxy # pools leak under the race detector

test-templates: ## Render every template in each pair of its options, and run its own linters and tests there
	$(GO) build -o .tools/msctl .
	@for t in $(TEMPLATES); do echo "templates test $$t"; .tools/msctl templates test ./$$t || exit 1; done

generate: ## Pack the templates
	$(GO) generate ./...

lint: $(GOFUMPT) $(GOLANGCI) ## Check the form, go vet and the linters
	@out=$$($(GOFUMPT) -l .); test -z "$$out" || { printf 'not formatted (make fmt):\n%s\n' "$$out"; exit 1; }
	$(GO) vet ./...
	$(GOLANGCI) run

fmt: $(GOFUMPT) ## Format the code
	$(GOFUMPT) -w .

bench: ## Measure; ARGS go to the benchmark
	$(GO) run ./bench $(ARGS)

bench-gateway: ## Measure the gateway beside nginx and HAProxy (bench/README.md)
	$(GO) run ./bench/gateway $(ARGS)

bench-registry: ## Measure the registry beside a real Consul (bench/README.md)
	$(GO) run ./bench/registry $(ARGS)

fuzz: ## Fuzz each target for FUZZTIME (10s, or 5000x for a count)
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's,/[^/]+:func , ,' | sort -u | \
	while read -r pkg target; do \
		echo "fuzz $$pkg $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg </dev/null || exit 1; \
	done

cross: ## Compile, and vet with the tests, for each system and processor that is released
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		export CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/}; \
		$(GO) build -o /dev/null ./... && $(GO) vet ./... || exit 1; \
	done

vuln: $(GOVULNCHECK) ## Look for known flaws that our calls reach (needs the Go vulnerability database)
	$(GOVULNCHECK) ./...

clean: ## Remove what was built; .tools stays
	rm -rf msctl msctl.exe dist

.tools/%:
	GOBIN=$(CURDIR)/$(@D) $(GO) install $(@D:.tools/%=%)
