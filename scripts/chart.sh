#!/usr/bin/env bash
# Lints, renders and validates the chart, and has the servers read the configurations that it renders.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cargo build --locked -p strandline-cli
"$python" "$top/helm/check.py" "$target/debug/strandline"
