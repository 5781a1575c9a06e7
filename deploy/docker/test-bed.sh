#!/usr/bin/env bash
# A Docker daemon for trying docker-compose.yml, apart from the machine's own: its network namespace has no route out, its
# rules and data are its own. test-bed.sh start FOLDER builds the image first; test-bed.sh stop FOLDER leaves nothing.
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

DO=${1:-}
BED=$(realpath -m "${2:?a folder for the daemon is wanted}")
NAMESPACE=$(basename "$BED")
IMAGE=skiff.local/skiff:dev
BASE_TAR=$ROOT/.tools/debian-bookworm.tar
export DOCKER_HOST=unix://$BED/docker.sock DOCKER_BUILDKIT=0

start() {
  ensure_system_packages containerd=containerd docker.io=dockerd docker-compose=docker-compose debootstrap=debootstrap iproute2=ip
  mkdir -p "$BED"
  # Old versions of dockerd write this whatever they are told.
  [ -e /etc/docker/key.json ] || touch "$BED/own-key"
  [ -e "$BASE_TAR" ] || make_base
  # Building wants the machine's network for packages, but no bridge, no rules and no forwarding.
  start_daemon env --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false
  docker import --change "ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt NPM_CONFIG_CAFILE=/etc/ssl/certs/ca-certificates.crt" \
    "$BASE_TAR" debian:bookworm-slim
  docker build --network=host -t $IMAGE -f "$ROOT/deploy/docker/Dockerfile" "$ROOT"
  stop_daemon
  ip netns add "$NAMESPACE"
  ip -n "$NAMESPACE" link set lo up
  start_daemon "nsenter --net=/run/netns/$NAMESPACE" --bip=172.29.0.1/24
}

# What Docker's registry calls debian:bookworm-slim. The machine's own certificate authorities go in: where packages come
# through a proxy, they are what npm has to trust.
make_base() {
  local folder=$BED/base
  debootstrap --variant=minbase --include=ca-certificates bookworm "$folder" >"$BED/debootstrap.log"
  cp /usr/local/share/ca-certificates/*.crt "$folder/usr/local/share/ca-certificates/" 2>/dev/null || true
  chroot "$folder" update-ca-certificates >/dev/null 2>&1
  printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
  chmod 755 "$folder/usr/sbin/policy-rc.d"
  rm -rf "$folder"/var/cache/apt/archives/*.deb
  tar -C "$folder" -cf "$BASE_TAR.next" .
  mv "$BASE_TAR.next" "$BASE_TAR"
  rm -rf "$folder"
}

# start_daemon PREFIX FLAGS…: containerd and dockerd, both of our own even where the machine runs some.
start_daemon() {
  local prefix=$1 runtime=()
  shift
  # A parent of its own, so that no empty group stays behind.
  set -- --exec-opt native.cgroupdriver=cgroupfs "--cgroup-parent=/$NAMESPACE" "$@"
  has_sys_resource || runtime=(--add-runtime "bed=$ROOT/deploy/docker/runc-without-sys-resource" --default-runtime bed)
  printf 'version = 2\nroot = "%s"\nstate = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "%s"\n' \
    "$BED/containerd" "$BED/containerd-state" "$BED/containerd.sock" >"$BED/containerd.toml"
  $prefix containerd --config "$BED/containerd.toml" >>"$BED/containerd.log" 2>&1 </dev/null &
  echo $! >"$BED/containerd.pid"
  # Without this the settings of the machine's own daemon would apply.
  echo '{}' >"$BED/daemon.json"
  wait_until "containerd" test -S "$BED/containerd.sock"
  $prefix dockerd --containerd "$BED/containerd.sock" --data-root "$BED/data" --exec-root "$BED/exec" -H "$DOCKER_HOST" \
    --config-file "$BED/daemon.json" -p "$BED/docker.pid" "${runtime[@]}" "$@" >>"$BED/dockerd.log" 2>&1 </dev/null &
  wait_until "dockerd" docker version
}

stop_daemon() {
  local name pid
  for name in docker containerd; do
    [ -e "$BED/$name.pid" ] || continue
    pid=$(cat "$BED/$name.pid")
    kill "$pid" 2>/dev/null || true
    wait_until "the end of $name" not_running "$pid"
    rm -f "$BED/$name.pid" "$BED/$name.sock"
  done
}

stop() {
  if [ -S "$BED/docker.sock" ]; then docker ps -aq | xargs -r docker rm -f -v >/dev/null || true; fi
  stop_daemon
  grep -o " $BED/[^ ]*" /proc/self/mountinfo | sort -ru | xargs -r umount 2>/dev/null || true
  ip netns del "$NAMESPACE" 2>/dev/null || true
  rmdir /sys/fs/cgroup/"$NAMESPACE" /sys/fs/cgroup/*/"$NAMESPACE" 2>/dev/null || true
  if [ -e "$BED/own-key" ]; then rm -f /etc/docker/key.json; fi
  rm -rf "$BED"
}

# The kernel's bit 24: without it a privileged container cannot be started the usual way.
has_sys_resource() { [ $((0x$(sed -n 's/^CapEff:\s*//p' /proc/self/status) >> 24 & 1)) = 1 ]; }

not_running() { ! kill -0 "$1" 2>/dev/null; }

wait_until() { # WHAT COMMAND…
  local what=$1 tries=0
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { tail -n 5 "$BED"/*.log >&2; fail "waited too long for $what"; }
    sleep 0.1
  done
}

case $DO in start | stop) "$DO" ;; *) fail "start or stop is wanted" ;; esac
