#!/usr/bin/env bash
# Builds librocksdb.a once into a cache that outlives `cargo clean`, and prints the two variables that link it:
#
#   eval "$(scripts/rocksdb-cache.sh)"
#
# The C++ part of RocksDB costs 11-17 minutes on two cores and does not depend on the profile, so it is kept under
# a key of (crate version, compiler, CPU flags). Without this script plain `cargo build` compiles RocksDB itself and
# works as well, only slower. Nothing inside the checkout is written.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sys_version=$(awk -F'"' '$0 == "name = \"librocksdb-sys\"" {getline; print $2; exit}' "$top/Cargo.lock")
[ -n "$sys_version" ] || { echo "rocksdb-cache: Cargo.lock names no librocksdb-sys" >&2; exit 1; }
flags=$(sed -n 's/^rustflags = //p' "$top/.cargo/config.toml" | tr -dc 'a-zA-Z0-9.-')
key="${sys_version}-gcc$(gcc -dumpfullversion)-$(uname -m)-${flags}"
root="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}"
home="$root/rocksdb/$key"

build() {
  local work
  work=$(mktemp -d "$root/rocksdb/buildXXXXXX")
  mkdir -p "$work/src" "$work/.cargo"
  cp "$top/.cargo/config.toml" "$work/.cargo/config.toml"
  # The features are those of the workspace manifest: they decide which codecs the library holds.
  cat > "$work/Cargo.toml" <<TOML
[package]
name = "rocksdb-once"
version = "0.0.0"
edition = "2021"
[dependencies]
librocksdb-sys = { version = "=${sys_version%%+*}", default-features = false, features = ["lz4", "zstd", "bindgen-runtime"] }
[profile.release]
debug = false
TOML
  : > "$work/src/lib.rs"
  # The version is pinned exactly, so the sources are those that our lock file names.
  (cd "$work" && env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC CARGO_TARGET_DIR="$work/target" cargo build --release >&2)
  mkdir -p "$work/out"
  cp "$work"/target/release/build/librocksdb-sys-*/out/librocksdb.a "$work/out/"
  mkdir -p "$home"
  mv "$work/out/librocksdb.a" "$home/librocksdb.a"   # a rename: a second builder replaces equal with equal
  rm -rf "$work"
}

mkdir -p "$root/rocksdb"
if [ ! -s "$home/librocksdb.a" ]; then
  echo "rocksdb-cache: building RocksDB once into $home (11-17 minutes on two cores)" >&2
  exec 9> "$root/rocksdb/lock"
  flock 9
  [ -s "$home/librocksdb.a" ] || build
fi
echo "export ROCKSDB_LIB_DIR='$home' ROCKSDB_STATIC=1"
