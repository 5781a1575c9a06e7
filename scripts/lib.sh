# Shared by the entry points: a fitting Node, pnpm, the dependencies, the system's packages. Sourced by bash scripts.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
NODE_MAJOR=26
NODE_MIN=24
PNPM=pnpm@12

# Debian package = a file that shows it is installed.
SYSTEM_PACKAGES=(
  etcd-server=etcd containerd=containerd runc=runc containernetworking-plugins=/usr/lib/cni/bridge
  iptables=iptables iproute2=ip conntrack=conntrack busybox-static=busybox tini=/usr/bin/tini-static
  util-linux=nsenter mount=mount
)

say() { printf '%s\n' "$*"; }
# A step that takes long enough to be told about: timed TITLE COMMAND …
timed() {
  local title=$1 start=$SECONDS
  shift
  say "$title …"
  "$@"
  say "✔ $title ($((SECONDS - start)) s)"
}
fail() { printf 'Error: %s\n' "$*" >&2; exit 1; }

have() { # a path, or a command on the PATH or in the sbin folders
  case $1 in
    /*) [ -e "$1" ] ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 ;;
  esac
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else fail "'$*' needs root: run this with sudo"
  fi
}

# Installs what is missing. Packages that bring a service must not start it: the host's own etcd and containerd are not ours.
ensure_system_packages() {
  local missing=() entry
  for entry in "$@"; do have "${entry#*=}" || missing+=("${entry%%=*}"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null 2>&1 || fail "missing on this machine: ${missing[*]} (Debian's names; install them with your package manager)"
  timed "Debian packages: ${missing[*]}" install_guarded "${missing[@]}"
}

install_guarded() {
  local guard=/usr/sbin/policy-rc.d made=
  if [ ! -e $guard ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $guard >/dev/null
    as_root chmod 755 $guard
    made=1
  fi
  local status=0
  install_packages "$@" || status=$?
  [ -z "$made" ] || as_root rm -f $guard
  [ $status = 0 ] || fail "apt-get could not install $*; its words are above"
}

install_packages() {
  local options=(-y -q --no-install-recommends -o Dpkg::Use-Pty=0)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "$@" >/dev/null 2>&1 && return
  as_root apt-get update -q >/dev/null || return
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "$@" >/dev/null
}

node_fits() { [ -x "$1" ] && [ "$("$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -ge $NODE_MIN ]; }

# Sets NODE and puts it first on the PATH: the system's where it is new enough, else one of our own in .tools/.
ensure_node() {
  local system
  system=$(command -v node || true)
  if [ -n "$system" ] && node_fits "$system"; then NODE=$system
  elif node_fits "$ROOT/.tools/node"; then NODE=$ROOT/.tools/node
  else timed "Node $NODE_MAJOR" fetch_node; NODE=$ROOT/.tools/node
  fi
  export NODE PATH="$(dirname "$NODE"):$PATH"
}

fetch_node() {
  local arch scratch
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) fail "no Node $NODE_MAJOR is packaged for $(uname -m): install Node $NODE_MIN or newer yourself" ;; esac
  command -v npm >/dev/null 2>&1 || ensure_system_packages npm=npm
  ensure_system_packages libatomic1=/usr/lib/$(uname -m)-linux-gnu/libatomic.so.1
  mkdir -p "$ROOT/.tools"
  scratch=$(mktemp -d "$ROOT/.tools/fetch.XXXXXX")
  (cd "$scratch" && npm pack --silent "node-linux-$arch@$NODE_MAJOR" >/dev/null && tar -xzf ./*.tgz) || fail "npm could not fetch node-linux-$arch@$NODE_MAJOR"
  mv "$scratch/package/bin/node" "$ROOT/.tools/node"
  rm -rf "$scratch"
}

# npm and pnpm run under our Node, whatever their own first line says: under an old one they pick older versions in silence.
run_npx() {
  local npm_folder
  npm_folder=$(dirname "$(readlink -f "$(command -v npx)")")
  "$NODE" "$npm_folder/npx-cli.js" --yes "$@"
}

# Installs the workspace's packages when the lock file changed since the last time.
ensure_dependencies() {
  local stamp=$ROOT/node_modules/.skiff-lock
  if [ -e "$stamp" ] && cmp -s "$ROOT/pnpm-lock.yaml" "$stamp"; then return; fi
  command -v npx >/dev/null 2>&1 || ensure_system_packages npm=npm
  timed "dependencies" install_dependencies
  cp "$ROOT/pnpm-lock.yaml" "$stamp"
}

install_dependencies() {
  (cd "$ROOT" && run_npx $PNPM install --frozen-lockfile --reporter=append-only >"$ROOT/.tools/install.log" 2>&1) || {
    tail -30 "$ROOT/.tools/install.log" >&2
    fail "pnpm install failed"
  }
}

ensure_generated() {
  [ -e "$ROOT/packages/api/generated/types.ts" ] || "$NODE" "$ROOT/packages/api/scripts/generate.ts"
}

build_programs() { "$NODE" "$ROOT/scripts/build.ts"; }
