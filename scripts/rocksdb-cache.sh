#!/usr/bin/env bash
# Prints the directory of librocksdb.a in the cache, which it fills first when it is empty:
#
#   ROCKSDB_LIB_DIR=$(scripts/rocksdb-cache.sh)
#
# The C++ part of RocksDB costs minutes and does not depend on the profile, so it is kept under a key of (crate version,
# compiler, CPU flags) and outlives `cargo clean`. Nothing inside the checkout is written.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sys_version=$(awk -F'"' '$0 == "name = \"librocksdb-sys\"" {getline; print $2; exit}' "$top/Cargo.lock")
[ -n "$sys_version" ] || { echo "rocksdb-cache: Cargo.lock names no librocksdb-sys" >&2; exit 1; }
flags=$(sed -n 's/^rustflags = //p' "$top/.cargo/config.toml" | tr -dc 'a-zA-Z0-9.-')
compiler=$(gcc -dumpfullversion)
root="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}/rocksdb"
home="$root/${sys_version}-gcc${compiler}-$(uname -m)-${flags}"

if [ ! -s "$home/librocksdb.a" ]; then
  mkdir -p "$root"
  exec 9> "$root/lock"
  flock 9
  if [ ! -s "$home/librocksdb.a" ]; then
    echo "rocksdb-cache: building RocksDB once into $home (4 to 8 minutes on two cores)" >&2
    # What a build left that was killed: only the holder of the lock builds, so it is nobody's.
    rm -rf "$root"/build??????
    "$top/scripts/rocksdb-build.sh" "$home"
  fi
fi
echo "$home"
