#!/usr/bin/env bash
# Proves that what setup.sh and rocksdb-cache.sh made is enough to build with: a Rust program of ten lines, with the
# bindings of RocksDB (libclang) and the library, is compiled, linked and run. Nothing is left but what cargo downloads.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version() { awk -F'"' -v name="name = \"$1\"" '$0 == name {getline; print $2; exit}' "$top/Cargo.lock"; }
mkdir -p "$work/src" "$work/.cargo"
cp "$top/.cargo/config.toml" "$work/.cargo/config.toml"
cat > "$work/Cargo.toml" <<TOML
[package]
name = "link-proof"
version = "0.0.0"
edition = "2021"
[dependencies]
rocksdb = { version = "=$(version rocksdb)", default-features = false, features = ["lz4", "zstd", "bindgen-runtime"] }
[profile.dev.package."*"]
opt-level = 0
debug = false
TOML
cat > "$work/src/main.rs" <<'RS'
fn main() -> Result<(), rocksdb::Error> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "store".into());
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.set_compression_type(rocksdb::DBCompressionType::Zstd);
    let store = rocksdb::DB::open(&options, directory)?;
    store.put("proof", "linked")?;
    store.flush()?;
    assert_eq!(store.get("proof")?.as_deref(), Some(&b"linked"[..]));
    Ok(())
}
RS
CARGO_TARGET_DIR="$work/target" cargo build --quiet --manifest-path "$work/Cargo.toml" --config "$work/.cargo/config.toml"
"$work/target/debug/link-proof" "$work/store"
echo "link-proof: a program with RocksDB was compiled, linked and run" >&2
