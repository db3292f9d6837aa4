#!/usr/bin/env bash
# Plants each mended defect again (crate `strandline-types`, module `planted`) and runs the test that searches for it: it
# has to fail. Prints what it said and after how long. For people and nightly runs; in a release nothing can be planted.
#
#   scripts/planted.sh            all of them
#   scripts/planted.sh F6 S1      these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/env.sh

# defect: package, test program, name of the test
plan='F6 strandline-chaos kill_points a_replica_whose_creation
D1 strandline-consensus log_damage .
F2 strandline-cli verify_matrix .
S1 strandline-worker archive_proof .
S2 strandline-worker archive_readers .'

wanted=${*:-F6 D1 F2 S1 S2}
missed=0
for defect in $wanted; do
  line=$(grep "^$defect " <<< "$plan") || { echo "planted: no defect is called '$defect'" >&2; exit 1; }
  read -r _ package program name <<< "$line"
  [ "$name" != . ] || name=''
  cargo test --locked -q --workspace --no-run >&2
  began=$SECONDS
  # The features of the whole workspace, so that the servers know the defect too.
  if said=$(STRANDLINE_PLANTED=$defect cargo test --locked --workspace --test "$program" -- $name 2>&1); then
    echo "$defect: NOT FOUND by $program after $((SECONDS - began)) s"
    missed=1
  else
    why=$(grep -m 1 -A 1 'panicked at' <<< "$said" | tail -n 1 | cut -c -150)
    echo "$defect: found by $program after $((SECONDS - began)) s: $why"
  fi
done
exit "$missed"
