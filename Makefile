# The commands of this repository. `make` alone lists them.

CARGO ?= cargo
BIN := target/release/braidcast
BENCHES := swarm capped hostile outage players native seed seek edge links live lines doors tracker

help: ## This list.
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Installs what this machine lacks (apt through sudo, npm).
	@scripts/setup.sh test

demo: ## Six viewers and you watch one film: VIDEO=my.mp4, VIEWERS=6, KEEP=1.
	@scripts/setup.sh demo
	@node scripts/demo.mjs $(if $(VIDEO),--video "$(VIDEO)") $(if $(VIEWERS),--viewers $(VIEWERS)) $(if $(KEEP),--keep)

build: player ## The release binary with the player inside.
	@$(CARGO) build --release --package braidcast
	@echo "$(BIN)"

player: ## The browser's part: WebAssembly and player/dist.
	@scripts/setup.sh demo
	@cd player && npm run --silent build

test: ## Everything that is checked, here and in CI.
	@$(CARGO) xtask check

bench: $(BENCHES:%=bench-%) ## Every measured scenario with its bounds (about half an hour).

bench-links: ## What a native node's links cost beside the bare WebRTC stack.
	@scripts/setup.sh test
	@$(CARGO) build --release --package braidcast-node --example links
	@node bench/links.mjs

bench-tracker: ## The tracker beside the field's, and in a crowd and under attack (half an hour more).
	@scripts/setup.sh test
	@scripts/trackers.sh
	@node bench/tracker.mjs

bench-%: build ## One of: swarm, capped, hostile, outage, players, native, seed, seek, edge, live, lines, doors.
	@scripts/setup.sh test
	@node bench/$*.mjs

sim: ## Every scenario in virtual time with its bounds: SEEDS=5.
	@$(CARGO) run --release --package braidcast --quiet -- sim scenarios/*.toml --seeds $(or $(SEEDS),5) --baseline scenarios/baseline.json

cluster: ## Three trackers and three NATS servers on hosts of their own, killed and parted; what that costs.
	@$(CARGO) test --package braidcast-tracker --test apart --quiet

netlab: ## Native links through NATs, and their throughput on bad lines: TIME=10 ROUNDS=5.
	@$(CARGO) test --package braidcast-node --test nat --quiet -- --nocapture
	@$(CARGO) run --release --package braidcast-node --example throughput --quiet -- $(or $(TIME),10) $(or $(ROUNDS),5)

soak: ## Hours of faults in virtual time, for whatever must always hold: SEEDS=100.
	@$(CARGO) run --release --package braidcast --quiet -- sim scenarios/soak.toml --seeds $(or $(SEEDS),100)

fuzz: ## libFuzzer on one decoder: TARGET=manifest_index SECONDS=60.
	@scripts/fuzz.sh "$(TARGET)" "$(or $(SECONDS),60)"

fmt: ## Formats the Rust code.
	@$(CARGO) fmt --all
	@$(CARGO) fmt --manifest-path fuzz/Cargo.toml

clean: ## Removes what was built, made and fetched.
	@rm -rf target fuzz/target player/dist player/node_modules e2e/node_modules .cache .data

.PHONY: help setup demo build player test bench bench-links bench-tracker sim cluster netlab soak fuzz fmt clean
