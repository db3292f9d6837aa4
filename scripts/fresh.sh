#!/usr/bin/env bash
# Tries the project as somebody does who has nothing: in a minimal Debian root (scripts/fresh-root.sh) with the Rust
# toolchain of this machine, gcc and git, a clone of HEAD runs what the README says, as root and as an ordinary user.
#
#   scripts/fresh.sh            README commands whole: `make demo` and `make test`, root, then user (an hour and more)
#   scripts/fresh.sh --setup    only set-up, up to a linked program (minutes); what CI runs. RocksDB comes from the
#                               cache of this machine when its compiler is the same
#   --only root|user            one of the two
#   --command demo|test         one of the two
#
# Needs root rights (chroot, mounts in a namespace of its own). With --setup their absence is printed and no failure.
# The roots are copies and go at the end, on failure as well.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}"

stop() { echo "fresh: $1" >&2; exit 1; }
say() { echo "fresh: $1" >&2; }

setup_only='' only='root user' commands='demo test'
while [ $# -gt 0 ]; do
  case "$1" in
    --setup) setup_only=yes ;;
    --only) only=${2:?--only needs root or user}; shift ;;
    --command) commands=${2:?--command needs demo or test}; shift ;;
    *) stop "unknown argument '$1'; known are --setup, --only root|user, --command demo|test" ;;
  esac
  shift
done
case "$only" in root | user | 'root user') ;; *) stop "--only is root or user, not '$only'" ;; esac
case "$commands" in demo | test | 'demo test') ;; *) stop "--command is demo or test, not '$commands'" ;; esac

# What is missing ends a whole run; a set-up run in CI goes on without it, and says so.
unable() {
  [ -n "$setup_only" ] || stop "$1"
  say "NOT RUN: $1"
  exit 0
}
[ "$(id -u)" -eq 0 ] || unable "this needs root rights (chroot and mounts)"
unshare --mount --pid --fork true 2>/dev/null || unable "this machine allows no mount namespaces"
if ! command -v debootstrap >/dev/null; then
  command -v apt-get >/dev/null || unable "debootstrap is missing, and there is no apt-get to install it"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null; } \
    || unable "debootstrap is missing and could not be installed"
fi

base=$("$top/scripts/fresh-root.sh")
sysroot=$(rustc --print sysroot)
[ -z "$(git -C "$top" status --porcelain)" ] || say "the checkout has changes that are not committed: the clone is of HEAD, without them"

# All mounts are made in a namespace of their own and go with it, as do processes that were left.
work=$(mktemp -d "$cache/fresh/runXXXXXX")
running=''
finish() {
  [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true   # its namespace ends with it; it may have ended by itself
  rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

size_gb() { du -sx --block-size=1M "$1" | awk '{printf "%.1f", $1 / 1024}'; }
packages() { chroot "$1" dpkg-query -W -f '${Package}\n' | sort; }

# prepare ROOT: a copy of the base with what a machine here needs to reach its package registries, and the clone's source.
prepare() {
  local root=$1 file readers
  cp -a "$base" "$root"
  mkdir -p "$root/opt/rust" "$root/opt/source"
  rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d"
  for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /etc/pip.conf /etc/apt/sources.list; do
    if [ -f "$file" ]; then cp -L "$file" "$root$file"; fi
  done
  if [ -d /etc/apt/sources.list.d ]; then cp -rL /etc/apt/sources.list.d "$root/etc/apt/"; fi
  cp -rL /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
  if [ -d /usr/share/keyrings ]; then mkdir -p "$root/usr/share/keyrings" && cp -rL /usr/share/keyrings/. "$root/usr/share/keyrings/"; fi
  if [ -f "$HOME/.npmrc" ]; then cp "$HOME/.npmrc" "$root/etc/npmrc"; fi
  git -C "$top" bundle create --quiet "$root/opt/source/strandline.bundle" HEAD
  # The independent readers of the format lie beside a checkout (scripts/second-readers.sh).
  readers="${STRANDLINE_CONFORMANCE:-$top/../shared/conformance}"
  if [ -d "$readers" ]; then cp -rL "$readers" "$root/opt/source/conformance"; fi
  chroot "$root" useradd --create-home --shell /bin/bash somebody
}

# Settings of the package clients, and nothing else of this environment.
passed=()
while IFS= read -r name; do passed+=("$name=${!name}"); done \
  < <(compgen -e | grep -E '^((https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY|PIP_CERT|PIP_INDEX_URL|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR|CARGO_HTTP_.*|CARGO_REGISTRIES_.*)$' || true)

# inside ROOT USER COMMAND: runs it there as a log-in of that user would, in namespaces that end with it.
inside() {
  local root=$1 user=$2 command=$3 home=/root
  [ "$user" = root ] || home=/home/$user
  unshare --mount --pid --fork --kill-child --propagation private bash -euc '
    root=$1 sysroot=$2 user=$3; shift 3
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --bind -o ro "$sysroot" "$root/opt/rust"
    # Not exec: this shell is the first process of the namespace and keeps the signal that ends all of them, which a
    # change of user would take away.
    status=0
    chroot --userspec="$user:$user" "$root" "$@" || status=$?
    exit "$status"
  ' inside "$root" "$sysroot" "$user" env -i "HOME=$home" "USER=$user" "LOGNAME=$user" LANG=C.UTF-8 \
    "PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    "NPM_CONFIG_GLOBALCONFIG=/etc/npmrc" "STRANDLINE_CONFORMANCE=/opt/source/conformance" "${passed[@]}" \
    bash -c "cd '$home' && $command" &
  running=$!
  local status=0
  wait "$running" || status=$?
  running=''
  return "$status"
}

# timed NAME COMMAND...: the minutes that a step took, kept for the table at the end.
figures=()
timed() {
  local name=$1 began=$SECONDS status=0
  shift
  say "$name …"
  "$@" || status=$?
  figures+=("$(printf '%-28s %6.1f min  %s' "$name" "$(awk "BEGIN {print ($SECONDS - $began) / 60}")" "$([ $status -eq 0 ] && echo ok || echo "FAILED ($status)")")")
  [ "$status" -eq 0 ] || { printf '%s\n' "${figures[@]}" >&2; stop "$name failed with exit status $status"; }
}

clone='git -c advice.detachedHead=false clone --quiet /opt/source/strandline.bundle strandline && cd strandline'
failures=0
for user in $only; do
  root="$work/$user"
  prepare "$root"
  packages "$root" > "$work/before"
  before_gb=$(size_gb "$root")
  name=root
  [ "$user" = root ] || name=somebody

  if [ "$user" = user ]; then
    # On a bare machine an ordinary user is told in one sentence what root has to install, and that command is enough.
    said=$(inside "$root" somebody "$clone && scripts/setup.sh" 2>&1) && stop "user: setup.sh succeeded without g++ and python3"
    [ "$(wc -l <<< "$said")" -eq 1 ] || stop "user: setup.sh said more than one sentence: $said"
    command=$(sed -n "s/.*have root run '\(apt-get install [a-z0-9+ -]*\)'.*/\1/p" <<< "$said")
    [ -n "$command" ] || stop "user: setup.sh named no command to install what is missing: $said"
    say "user: \"$said\""
    timed "user: $command" inside "$root" root "apt-get update -qq && DEBIAN_FRONTEND=noninteractive $command -y -qq >/dev/null"
    inside "$root" somebody 'rm -rf strandline'
  fi

  # The compiler of the same machine makes the same library: a set-up run does not make it anew.
  if [ -n "$setup_only" ] && [ "$(chroot "$root" gcc -dumpfullversion)" = "$(gcc -dumpfullversion)" ] && compgen -G "$cache/rocksdb/*/librocksdb.a" >/dev/null; then
    home=$(chroot "$root" sh -c "getent passwd $name | cut -d: -f6")
    mkdir -p "$root$home/.cache/strandline/rocksdb"
    cp -r "$cache"/rocksdb/*-gcc* "$root$home/.cache/strandline/rocksdb/"
    chroot "$root" chown -R "$name:$name" "$home/.cache"
  fi

  inside "$root" "$name" "$clone"
  # As the README says: where `make` is missing, set-up brings it.
  timed "$user: set-up" inside "$root" "$name" 'cd strandline && scripts/setup.sh'
  if [ -n "$setup_only" ]; then
    timed "$user: linked program" inside "$root" "$name" 'cd strandline && scripts/link-proof.sh'
  else
    for command in $commands; do
      timed "$user: make $command" inside "$root" "$name" "cd strandline && make $command"
    done
  fi
  packages "$root" > "$work/after"
  figures+=("$user: packages installed: $(comm -13 "$work/before" "$work/after" | wc -l) ($(comm -13 "$work/before" "$work/after" | tr '\n' ' '))")
  figures+=("$user: disk: $before_gb GB before, $(size_gb "$root") GB after")
  rm -rf --one-file-system "$root"
done
printf 'fresh: figures\n'
printf '  %s\n' "${figures[@]}"
