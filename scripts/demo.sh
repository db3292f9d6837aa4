#!/usr/bin/env bash
# The main job, with the release build: every figure is measured and printed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cargo build --locked --release -p strandline-cli
"$target/release/strandline" demo "$@"
