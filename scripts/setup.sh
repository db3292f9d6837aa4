#!/usr/bin/env bash
# Installs what a machine with only Rust, gcc and git lacks, and only that:
#
#   system packages (Debian and its relatives)   g++, make, libclang-dev, python3, python3-venv
#   a Python environment below the cache         scripts/requirements.txt
#   with --tests, and in CI: object stores below the cache, scripts/test-servers.sh
#
# Nothing is written into the checkout. A second run finds everything in place and takes a moment.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}"

has_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] || ldconfig -p 2>/dev/null | grep -q 'libclang[-.]' || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null
}

missing=()
command -v cargo >/dev/null || { echo "setup: cargo is not installed; install Rust first (rust-version in Cargo.toml)" >&2; exit 1; }
command -v g++ >/dev/null || missing+=(g++)
command -v make >/dev/null || missing+=(make)
has_libclang || missing+=(libclang-dev)
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)

if [ "${#missing[@]}" -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "setup: this machine lacks ${missing[*]} (Debian's names) and has no apt-get: install them by hand, then run this again" >&2
    exit 1
  fi
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup: ${missing[*]} must be installed, and this user is not root and has no sudo" >&2; exit 1; }
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}" >&2
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

# The stamp is a copy of the list: another list makes another environment.
python_home="$cache/python"
if ! cmp -s "$top/scripts/requirements.txt" "$python_home/requirements.txt"; then
  echo "setup: Python environment in $python_home" >&2
  rm -rf "$python_home"
  mkdir -p "$cache"
  python3 -m venv "$python_home"
  "$python_home/bin/python" -m pip install --quiet --disable-pip-version-check -r "$top/scripts/requirements.txt"
  cp "$top/scripts/requirements.txt" "$python_home/requirements.txt"
fi

# Building them takes minutes once, and only tests need them.
if [ -n "${CI:-}" ] || [ "${1:-}" = --tests ]; then
  "$top/scripts/test-servers.sh"
fi
