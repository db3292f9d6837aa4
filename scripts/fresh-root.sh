#!/usr/bin/env bash
# Prints the directory of a minimal Debian root in the cache, which it makes first when it is not there: gcc, git and
# ca-certificates, and nothing else that a minimal Debian has not. Needs root rights and debootstrap.
#
# Release and mirror are those of this machine. The directory is whole or not there: it is made aside and renamed.
set -euo pipefail
cache="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}/fresh"
mkdir -p "$cache"

release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$release" ] || { echo "fresh-root: /etc/os-release names no VERSION_CODENAME" >&2; exit 1; }
root="$cache/root-$release"
if [ ! -d "$root" ]; then
  exec 9> "$cache/lock"
  flock 9
  if [ ! -d "$root" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' | awk -v r="$release" '$2 == r {print $1; exit}')
    [ -n "$mirror" ] || { echo "fresh-root: apt knows no mirror of $release" >&2; exit 1; }
    echo "fresh-root: making a minimal $release in $root (about five minutes)" >&2
    rm -rf "$root.new"
    trap 'rm -rf "$root.new"' EXIT
    debootstrap --variant=minbase --include=gcc,libc6-dev,git,ca-certificates "$release" "$root.new" "$mirror" > "$cache/debootstrap.log" 2>&1 \
      || { tail -n 20 "$cache/debootstrap.log" >&2; echo "fresh-root: debootstrap failed, the end of its log stands above" >&2; exit 1; }
    rm -rf "$root.new"/var/cache/apt/archives/*.deb
    mv "$root.new" "$root"
    trap - EXIT
  fi
fi
echo "$root"
