#!/usr/bin/env bash
# Installs what a machine with only Rust, gcc and git lacks, and only that:
#
#   system packages (Debian and its relatives)   g++, make, python3, python3-venv
#   a Python environment below the cache         scripts/requirements.txt, libclang among it
#   with --tests, and in CI: object stores below the cache, scripts/test-servers.sh
#
# Each step proves that what it needs works (scripts/proofs.sh: a program is linked, a library loaded, a header parsed)
# or stops with one sentence that says what to install. Nothing is written into the checkout, and nothing half made is
# left. A second run finds everything in place and takes a moment.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}"
source "$top/scripts/proofs.sh"

stop() {
  echo "setup: $1" >&2
  exit 1
}

case "${1:-}" in
  ''|--tests) ;;
  *) stop "unknown argument '$1'; the only one is --tests" ;;
esac

command -v cargo >/dev/null || stop "cargo is not installed; install Rust first (the version is rust-version in Cargo.toml)"
proof_cargo "$top" || stop "cargo does not run here; install a stable Rust toolchain (the version is rust-version in Cargo.toml)"

missing=()
proof_cxx || missing+=(g++)
proof_make || missing+=(make)
command -v python3 >/dev/null || missing+=(python3)
proof_venv || missing+=(python3-venv)

if [ "${#missing[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null \
    || stop "this machine lacks ${missing[*]} (Debian's names) and has no apt-get: install them by hand, then run this again"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    { command -v sudo >/dev/null && sudo -n true 2>/dev/null; } \
      || stop "this machine lacks ${missing[*]}, and this user may not install them: have root run 'apt-get install ${missing[*]}', then run this again"
    as_root=(sudo -n)
  fi
  echo "setup: installing ${missing[*]}" >&2
  log=$(mktemp)
  { "${as_root[@]}" apt-get update -qq \
    && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } > "$log" 2>&1 || {
    tail -n 20 "$log" >&2
    rm "$log"
    stop "${missing[*]} could not be installed, apt-get says why above: install them by hand, then run this again"
  }
  rm "$log"
  proof_cxx || stop "g++ is installed but does not link a C++20 program: $proof_said"
  proof_make || stop "make is installed but does not run: $proof_said"
  proof_venv || stop "python3-venv is installed but cannot make an environment: $proof_said"
fi

# Below the cache, whole or not at all: the environment is made aside, proved, and renamed. Its programs carry the path
# that they were made with, so they are run through their interpreter only. The stamp is a copy of the list: another
# list makes another environment.
python_home="$cache/python"
if ! cmp -s "$top/scripts/requirements.txt" "$python_home/requirements.txt" || ! proof_libclang "$python_home"; then
  echo "setup: Python environment in $python_home" >&2
  mkdir -p "$cache"
  fresh="$cache/python.new"
  rm -rf "$fresh"
  trap 'rm -rf "$fresh"' EXIT
  python3 -m venv "$fresh" || stop "no Python environment could be made in $fresh (the message stands above)"
  "$fresh/bin/python" -m pip install --quiet --disable-pip-version-check -r "$top/scripts/requirements.txt" \
    || stop "the Python packages of scripts/requirements.txt could not be installed (pip says why above)"
  proof_libclang "$fresh" \
    || stop "the libclang of the Python package index does not work here ($proof_said): install libclang yourself and set LIBCLANG_PATH to the directory of libclang.so"
  cp "$top/scripts/requirements.txt" "$fresh/requirements.txt"
  rm -rf "$python_home"
  mv "$fresh" "$python_home"
  trap - EXIT
fi

# Building them takes minutes once, and only tests need them.
if [ -n "${CI:-}" ] || [ "${1:-}" = --tests ]; then
  "$top/scripts/test-servers.sh"
fi
