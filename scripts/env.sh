# Sourced by every step: where caches, build tree, RocksDB and Python tools are. Sets variables, changes nothing else.
#
#   STRANDLINE_CACHE   everything that outlives a checkout (default: strandline below the user's cache directory)
#   CARGO_TARGET_DIR   kept when set; in CI (CI set) it is below the cache, so that a second run is fast and the
#                      checkout stays clean; else cargo's own default

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export STRANDLINE_CACHE="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}"
mkdir -p "$STRANDLINE_CACHE"

if [ -n "${CI:-}" ] && [ -z "${CARGO_TARGET_DIR:-}" ]; then
  export CARGO_TARGET_DIR="$STRANDLINE_CACHE/target"
fi
target="${CARGO_TARGET_DIR:-$top/target}"

# Nothing is built twice in a fresh clone: incremental state would only cost time and disk.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

# rust-toolchain.toml asks for `stable`. A machine that has a toolchain under another name only, and no way to fetch
# one, uses the one it has: the manifest's rust-version is the real lower bound.
if command -v rustup >/dev/null && ! (cd "$top" && cargo --version) >/dev/null 2>&1; then
  RUSTUP_TOOLCHAIN=$(cd / && rustup show active-toolchain | cut -d' ' -f1)
  export RUSTUP_TOOLCHAIN
fi

# An own ROCKSDB_LIB_DIR is respected; otherwise the library is built once into the cache and linked from there.
if [ -z "${ROCKSDB_LIB_DIR:-}" ]; then
  eval "$("$top/scripts/rocksdb-cache.sh")"
fi

python="$STRANDLINE_CACHE/python/bin/python"
export PYTHONDONTWRITEBYTECODE=1
