# Sourced by every step: where caches, build tree, RocksDB, libclang and Python tools are. Sets variables, changes nothing
# else. What it needs is made by scripts/setup.sh before.
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
  [ -n "$RUSTUP_TOOLCHAIN" ] || { echo "env: rustup has no toolchain that runs; install a stable one" >&2; exit 1; }
  export RUSTUP_TOOLCHAIN
fi

python="$STRANDLINE_CACHE/python/bin/python"
export PYTHONDONTWRITEBYTECODE=1
[ -x "$python" ] || { echo "env: $python is missing; run scripts/setup.sh first" >&2; exit 1; }

# The bindings of RocksDB are made by libclang: an own one (LIBCLANG_PATH) or that of the Python environment, which comes
# without the compiler's headers.
if [ -z "${LIBCLANG_PATH:-}" ]; then
  LIBCLANG_PATH=$("$python" -c 'import pathlib, clang; print(pathlib.Path(clang.__file__).parent / "native")')
  export LIBCLANG_PATH
  BINDGEN_EXTRA_CLANG_ARGS="-I$(gcc -print-file-name=include)"
  export BINDGEN_EXTRA_CLANG_ARGS
fi

# An own ROCKSDB_LIB_DIR is respected; otherwise the library is built once into the cache and linked from there.
if [ -z "${ROCKSDB_LIB_DIR:-}" ]; then
  ROCKSDB_LIB_DIR=$("$top/scripts/rocksdb-cache.sh")
  export ROCKSDB_LIB_DIR ROCKSDB_STATIC=1
fi
