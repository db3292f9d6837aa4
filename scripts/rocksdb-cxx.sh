#!/usr/bin/env bash
# The C++ compiler of scripts/rocksdb-build.sh. It compiles a unity file (a list of `#include`s) as one unit; where that
# does not compile (two sources with the same static name, another version of RocksDB, another compiler) it halves the
# list until it does, down to single sources, and links the halves into the one object that was asked for. A single
# source that does not compile is the error of the build.
#
#   ROCKSDB_CXX        the real compiler
#   ROCKSDB_PROGRESS   a file that gets a line for each object
set -euo pipefail

source_file='' object=''
arguments=("$@")
others=()
for ((i = 0; i < ${#arguments[@]}; i++)); do
  case "${arguments[i]}" in
    */unity_*.cc) source_file=${arguments[i]} ;;
    -o) object=${arguments[i + 1]}; i=$((i + 1)) ;;
    *) others+=("${arguments[i]}") ;;
  esac
done
[ -n "$source_file" ] && [ -n "$object" ] || exec "$ROCKSDB_CXX" "$@"

compile() { # compile SOURCE OBJECT
  local lines half
  lines=$(wc -l < "$1")
  if [ "$lines" -le 1 ]; then
    "$ROCKSDB_CXX" "${others[@]}" -o "$2" "$1"
    return
  fi
  if "$ROCKSDB_CXX" "${others[@]}" -o "$2" "$1" 2> "$2.error"; then
    rm "$2.error"
    return
  fi
  half=$((lines / 2))
  echo "$(basename "$1") does not compile as one unit; halving it ($(grep -m 1 -i error "$2.error" || echo "no message"))" >> "$ROCKSDB_PROGRESS.notes"
  head -n "$half" "$1" > "${1%.cc}a.cc"
  tail -n "+$((half + 1))" "$1" > "${1%.cc}b.cc"
  compile "${1%.cc}a.cc" "$2.a.o"
  compile "${1%.cc}b.cc" "$2.b.o"
  ld -r -o "$2" "$2.a.o" "$2.b.o"
  rm "$2.a.o" "$2.b.o" "$2.error"
}

compile "$source_file" "$object"
echo "$(basename "$source_file")" >> "$ROCKSDB_PROGRESS"
