#!/usr/bin/env bash
# The whole way on a small part of the files, with the development build, then the second readers on what it left.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cargo build --locked -p strandline-cli
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
"$target/debug/strandline" demo --small --keep "$kept"
"$top/scripts/second-readers.sh" "$kept"
