#!/usr/bin/env bash
# Runs one step of the build with our environment and prints how long it took:  scripts/step.sh NAME COMMAND...
set -euo pipefail
name=$1
shift
began=$SECONDS
echo "== $name" >&2
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$top"
status=0
"$@" || status=$?
echo "== $name: $([ $status -eq 0 ] && echo ok || echo "FAILED ($status)") after $((SECONDS - began)) s" >&2
exit $status
