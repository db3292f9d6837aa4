#!/usr/bin/env bash
# Has the second, independent readers check what a run left behind:  scripts/second-readers.sh DIR
# (DIR/archive and DIR/data, as `strandline demo --keep DIR` leaves them).
#
# The readers lie outside this repository, in ../shared/conformance beside the checkout or where
# STRANDLINE_CONFORMANCE says. Their absence is printed, and is a failure in CI.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
readers="${STRANDLINE_CONFORMANCE:-$top/../shared/conformance}"
if [ ! -f "$readers/archive_conformance.py" ]; then
  echo "second readers: none in $readers: NOT RUN" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 0
fi
status=0
echo -n "second reader, archive: "
"$python" "$readers/archive_conformance.py" "$1/archive" || status=1
echo -n "second reader, data: "
"$python" "$readers/backup_conformance.py" "$1/data" || status=1
exit $status
