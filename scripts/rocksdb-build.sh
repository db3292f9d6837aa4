#!/usr/bin/env bash
# Compiles RocksDB as a static library:  scripts/rocksdb-build.sh DIR   makes DIR/librocksdb.a
#
# The sources and the flags are those of the crate that Cargo.lock names: its own build script runs, over a copy whose
# list of sources names unity files of a dozen sources each. That is a third of the compiler's work (the headers are
# read 30 times and not 340 times). DIR is whole or was never made: all work is done beside it, and removed at the end.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$1
sources_per_file=12

version=$(awk -F'"' '$0 == "name = \"librocksdb-sys\"" {getline; print $2; exit}' "$top/Cargo.lock")
[ -n "$version" ] || { echo "rocksdb-build: Cargo.lock names no librocksdb-sys" >&2; exit 1; }

mkdir -p "$(dirname "$home")"
work=$(mktemp -d "$(dirname "$home")/buildXXXXXX")
cargo_pid=''
finish() {
  [ -z "$cargo_pid" ] || kill "$cargo_pid" 2>/dev/null || true   # it may have ended by itself
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir -p "$work/src" "$work/.cargo"
cp "$top/.cargo/config.toml" "$work/.cargo/config.toml"
: > "$work/src/lib.rs"
# The features are those of the workspace manifest: they decide which codecs the library holds. The codecs themselves
# are linked from elsewhere, here only their headers are needed.
manifest() { # manifest PATCH
  cat <<TOML
[package]
name = "rocksdb-once"
version = "0.0.0"
edition = "2021"
[dependencies]
librocksdb-sys = { version = "=${version%%+*}", default-features = false, features = ["lz4", "zstd", "bindgen-runtime"] }
[profile.release]
debug = false
[profile.release.package.zstd-sys]
opt-level = 0
[profile.release.package.lz4-sys]
opt-level = 0
$1
TOML
}

# The version is pinned exactly, so the sources are those that our lock file names.
manifest '' > "$work/Cargo.toml"
crate=$(cd "$work" && cargo metadata --quiet --format-version 1 \
  | grep -o '"manifest_path":"[^"]*librocksdb-sys-[^"/]*/Cargo.toml"' | head -n 1 | sed 's/^"manifest_path":"//; s/\/Cargo.toml"$//')
[ -d "$crate/rocksdb" ] || { echo "rocksdb-build: the sources of librocksdb-sys $version were not found below cargo's registry" >&2; exit 1; }
cp -r "$crate" "$work/crate"
chmod -R u+w "$work/crate"

# `build_version.cc` of the list is replaced by the crate with its own.
grep -v -x 'util/build_version.cc' "$crate/rocksdb_lib_sources.txt" | split -l "$sources_per_file" -d -a 3 - "$work/part_"
: > "$work/crate/rocksdb_lib_sources.txt"
for part in "$work"/part_*; do
  name="unity_${part##*_}.cc"
  sed 's/.*/#include "&"/' "$part" > "$work/crate/rocksdb/$name"
  echo "$name" >> "$work/crate/rocksdb_lib_sources.txt"
done
files=$(wc -l < "$work/crate/rocksdb_lib_sources.txt")
manifest $'[patch.crates-io]\nlibrocksdb-sys = { path = "crate" }' > "$work/Cargo.toml"

export ROCKSDB_PROGRESS="$work/progress" ROCKSDB_CXX="${CXX:-g++}"
: > "$ROCKSDB_PROGRESS"
(cd "$work" && exec env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC CXX="$top/scripts/rocksdb-cxx.sh" \
  CARGO_TARGET_DIR="$work/target" cargo build --quiet --release > "$work/log" 2>&1) &
cargo_pid=$!
began=$SECONDS
shown=-1
while kill -0 "$cargo_pid" 2>/dev/null; do
  made=$(wc -l < "$ROCKSDB_PROGRESS")
  if [ "$made" != "$shown" ]; then
    echo "rocksdb-build: $((100 * made / files)) % ($made of $files units) after $((SECONDS - began)) s" >&2
    shown=$made
  fi
  sleep 1
done
status=0
wait "$cargo_pid" || status=$?
cargo_pid=''
if [ -f "$ROCKSDB_PROGRESS.notes" ]; then sed 's/^/rocksdb-build: /' "$ROCKSDB_PROGRESS.notes" >&2; fi
if [ "$status" -ne 0 ]; then
  tail -n 60 "$work/log" >&2
  echo "rocksdb-build: RocksDB did not compile (exit $status); the lines above are the end of what the compiler said" >&2
  exit 1
fi

mkdir "$work/out"
cp "$work"/target/release/build/librocksdb-sys-*/out/librocksdb.a "$work/out/"

# Proof: a program of ten lines that opens a store, linked as our own programs will be.
cat > "$work/proof.cc" <<'CPP'
#include <cstdio>
#include "rocksdb/c.h"
int main(int, char** argv) {
  char* error = nullptr;
  rocksdb_options_t* options = rocksdb_options_create();
  rocksdb_options_set_create_if_missing(options, 1);
  rocksdb_options_set_compression(options, rocksdb_no_compression);
  rocksdb_t* db = rocksdb_open(options, argv[1], &error);
  if (error != nullptr) { std::fprintf(stderr, "%s\n", error); return 1; }
  rocksdb_close(db);
  return 0;
}
CPP
codecs=("$work"/target/release/build/lz4-sys-*/out/liblz4.a "$work"/target/release/build/zstd-sys-*/out/libzstd.a)
"$ROCKSDB_CXX" -I"$crate/rocksdb/include" "$work/proof.cc" -o "$work/proof" "$work/out/librocksdb.a" "${codecs[@]}" -lpthread -ldl
"$work/proof" "$work/proof.db"

rm -rf "$home"
mv "$work/out" "$home"   # a rename: whoever looks sees all of it or nothing
echo "rocksdb-build: done after $((SECONDS - began)) s" >&2
