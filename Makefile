# Two commands do everything on a machine that has only Rust, gcc and git:
#
#   make demo    the whole way once, on real files, with figures
#   make test    everything that has to hold: verify, all tests, end-to-end with the second readers, the chart
#
# Both install what is missing (scripts/setup.sh) and build RocksDB once into a cache (scripts/rocksdb-cache.sh).
#
#   make build   the release binary, with the libraries that the two commands use
#   make fresh   both commands in a minimal Debian root, as root and as an ordinary user (needs root rights)

.PHONY: demo test build fresh verify fix setup

demo: setup
	@scripts/step.sh demo scripts/demo.sh $(DEMO_ARGS)

build: setup
	@scripts/step.sh build cargo build --locked --release -p strandline-cli

# FRESH_ARGS="--setup": only what comes before the first build of ours, as CI does.
fresh:
	@scripts/fresh.sh $(FRESH_ARGS)

test: verify
	@scripts/step.sh "test servers" scripts/test-servers.sh
	@scripts/step.sh "tests" cargo test --locked --workspace
	@scripts/step.sh "end to end" scripts/e2e.sh
	@scripts/step.sh "chart" scripts/chart.sh

# Writes nothing in the checkout.
verify: setup
	@scripts/step.sh verify scripts/verify.sh

fix: setup
	@scripts/step.sh fix sh -c 'cargo fmt --all && cargo clippy --locked --workspace --all-targets --fix --allow-dirty --allow-staged'

setup:
	@scripts/setup.sh
