#!/usr/bin/env bash
# Format, lints and documentation as errors. Never writes into the checkout: `make fix` does.
set -euo pipefail
cargo fmt --all --check
cargo clippy --locked --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
