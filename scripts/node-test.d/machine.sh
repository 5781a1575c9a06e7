#!/usr/bin/env bash
# The kubelet's scenarios in an emulated machine with a kernel and a cgroup layout of its own:
# ./scripts/node-test --machine v2|v1|hybrid [options] [pod|resources|upkeep|faults|chaos|csi|registry|slices …]
#   --run COMMAND       a shell command in the machine instead of scenarios, in the repository's root
#   --module NAME       a kernel module to load first, also several times
#   --kernel WORDS      more for the kernel's command line     --qemu WORDS     more for QEMU's
#   --memory MB (6144)  --cpus N (2)  --minutes N (60)         --accel tcg|kvm  how processors come about (tcg: emulated)
#   --patience N (20)   stretches every wait of the tests      --work DIR       what was downloaded, and the console's log
#   --systemd           systemd is the first process and mounts the cgroups, as `slices` wants it
#   --uml               Linux in user mode rather than QEMU: boots in a second and costs far less, but has one processor, and
#                       of the controllers cpu, io, memory and pids alone
#   --here              no machine but this one's own kernel, in a mount namespace: fast, where it has that layout (for v1: v1 or hybrid)
# The machine sees this one's files read-only beneath a layer in memory, has no network and runs Debian's kernel, which is
# downloaded and unpacked into DIR; so is QEMU where it is not installed. Ends with the scenarios' or the command's code.
set -euo pipefail
# shellcheck source=../lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
PARTS=$ROOT/scripts/node-test.d
WORK=/var/tmp/skiff-node-test MEMORY=6144 CPUS=2 MINUTES=60 PATIENCE='' ACCEL=tcg COMMAND='' HERE='' SYSTEMD='' UML=''
SCENARIOS=() MODULES=() KERNEL_WORDS=() QEMU_WORDS=()
LAYOUT=${1:-}
case $LAYOUT in v1 | v2 | hybrid) shift ;; *) fail "--machine takes v2, v1 or hybrid; see the head of $0" ;; esac
while [ $# -gt 0 ]; do
  case $1 in
    --here) HERE=1; shift; continue ;;
    --systemd) SYSTEMD=1; shift; continue ;;
    --uml) UML=1; shift; continue ;;
    --run) COMMAND=$2 ;;
    --module) MODULES+=("$2") ;;
    --kernel) read -ra words <<<"$2" && KERNEL_WORDS+=("${words[@]}") ;;
    --qemu) read -ra words <<<"$2" && QEMU_WORDS+=("${words[@]}") ;;
    --memory) MEMORY=$2 ;;
    --cpus) CPUS=$2 ;;
    --minutes) MINUTES=$2 ;;
    --patience) PATIENCE=$2 ;;
    --accel) ACCEL=$2 ;;
    --work) WORK=$2 ;;
    -*) fail "$1 is unknown; see the head of $0" ;;
    *)
      [ -e "$ROOT/packages/kubelet/src/testing/$1-scenario.ts" ] || fail "there is no scenario $1 in packages/kubelet/src/testing"
      SCENARIOS+=("$1"); shift; continue ;;
  esac
  shift 2
done
[ ${#SCENARIOS[@]} -gt 0 ] || SCENARIOS=(pod resources upkeep faults chaos csi registry)
COMMAND=${COMMAND:-node packages/kubelet/src/testing/run-scenarios.ts ${SCENARIOS[*]}}
[ "$(uname -m)" = x86_64 ] || fail "the emulated machine is written for x86-64"
[ "$(id -u)" = 0 ] || fail "the machine reads this one's files as root: run this with sudo"
case $ROOT/ in /tmp/* | /run/*) fail "the machine has a /tmp and a /run of its own: keep the repository elsewhere" ;; esac

# How systemd is told; without it, nobody reads these.
KERNEL_WORDS+=(systemd.show_status=no systemd.log_level=err)
case $LAYOUT in
  v2) KERNEL_WORDS+=(systemd.unified_cgroup_hierarchy=1) ;;
  hybrid) KERNEL_WORDS+=(systemd.unified_cgroup_hierarchy=0) ;;
  v1) KERNEL_WORDS+=(systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1) ;;
esac

main() {
  ensure_system_packages "${SYSTEM_PACKAGES[@]}" cpio=cpio kmod=modprobe
  ensure_node
  ensure_dependencies
  ensure_generated
  if [ -n "$HERE" ]; then run_here; return; fi
  mkdir -p "$WORK"
  RUN=$(mktemp -d "$WORK/machine.XXXXXX")
  trap 'rm -rf "$RUN"' EXIT
  warm_up
  tell_guest
  if [ -n "$UML" ]; then
    [ -e "$WORK/uml/lib" ] || timed "Debian's user-mode Linux" fetch_uml
    boot_uml
    return
  fi
  [ -e "$WORK/kernel/lib" ] || timed "Debian's kernel" fetch_kernel
  VERSION=$(ls "$WORK/kernel/lib/modules")
  QEMU=$(command -v qemu-system-x86_64 || echo "$WORK/qemu/usr/bin/qemu-system-x86_64")
  [ -x "$QEMU" ] || timed "QEMU" fetch_qemu
  make_initrd
  boot
}

# The processes keep the cgroups they have; what is not mounted cannot be found by them.
run_here() {
  local found='' code=0
  [ ! -d /sys/fs/cgroup/memory ] || found=v1
  [ ! -e /sys/fs/cgroup/unified/cgroup.procs ] || found=hybrid
  [ ! -e /sys/fs/cgroup/cgroup.controllers ] || found=v2
  case $found-$LAYOUT in
    hybrid-v1) COMMAND="umount /sys/fs/cgroup/unified && $COMMAND" ;;
    "$LAYOUT-$found") ;;
    *) fail "this machine's cgroups are ${found:-of no kind that is known here}, not $LAYOUT" ;;
  esac
  (cd "$ROOT" && SKIFF_TEST_PATIENCE=${PATIENCE:-1} unshare --mount bash -c "$COMMAND" </dev/null) || code=$?
  tell "$code"
}

# The newest of the release's. It is the only one in the folder, so its name tells the version.
fetch_kernel() (
  cd "$(mktemp -d "$WORK/fetch.XXXXXX")"
  image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
  [ -n "$image" ] || fail "apt knows no linux-image-amd64: is this Debian, and apt-get update done?"
  apt-get download -qq "$image" 2>/dev/null && dpkg -x ./*.deb tree && depmod -b tree "$(ls tree/lib/modules)"
  mv tree "$WORK/kernel"
  rm -r "$PWD"
)

fetch_uml() (
  cd "$(mktemp -d "$WORK/fetch.XXXXXX")"
  apt-get download -qq user-mode-linux 2>/dev/null && dpkg -x ./*.deb tree
  mkdir tree/lib && mv tree/usr/lib/uml/modules tree/lib/modules && depmod -b tree "$(ls tree/lib/modules)"
  mv tree "$WORK/uml"
  rm -r "$PWD"
)

# With what it needs and this machine lacks, all of it unpacked beside it.
fetch_qemu() (
  folder=$(mktemp -d "$WORK/fetch.XXXXXX")
  mkdir -p "$folder/partial"
  apt-get install -qq --download-only --no-install-recommends -o Dir::Cache::archives="$folder" qemu-system-x86 >/dev/null
  for package in "$folder"/*.deb; do dpkg -x "$package" "$folder/tree"; done
  mv "$folder/tree" "$WORK/qemu"
  rm -r "$folder"
)

# Reading and compiling sources takes an emulated processor half a minute per program: it gets bundles, and all compiled.
warm_up() {
  local program
  build_programs
  for program in kubelet kube-apiserver; do NODE_COMPILE_CACHE=$WORK/compiled "$NODE" "$ROOT/dist/$program.mjs" --help >/dev/null; done
  NODE_COMPILE_CACHE=$WORK/compiled "$NODE" "$ROOT/packages/kubelet/src/testing/run-scenarios.ts" >/dev/null
}

# What the machine's first program reads, and where it leaves the exit code.
tell_guest() {
  mkdir -p "$RUN/exchange"
  {
    printf 'LAYOUT=%s\nMODULES=%q\nSYSTEMD=%s\nPARTS=%q\n' "$LAYOUT" "${MODULES[*]}" "$SYSTEMD" "$PARTS"
    printf 'export SKIFF_TEST_PATIENCE=%q NODE_COMPILE_CACHE=%q PATH=%q\n' "${PATIENCE:-20}" "$WORK/compiled" "$(dirname "$NODE"):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    printf 'export SKIFF_TEST_PROGRAMS=%q\ncd %q\n' "$ROOT/dist" "$ROOT"
  } >"$RUN/exchange/settings"
  printf '%s\n' "$COMMAND" >"$RUN/exchange/command"
}

# Enough to reach this machine's files; all other modules come from there.
make_initrd() {
  local initrd=$RUN/initrd module name
  mkdir -p "$initrd"/{bin,proc,sys,dev,host,layer,root,modules}
  cp "$(type -P busybox)" "$initrd/bin/busybox"
  cp "$PARTS/machine-init.sh" "$initrd/init"
  for module in virtio_pci virtio_rng 9pnet_virtio 9p overlay; do modprobe -d "$WORK/kernel" -S "$VERSION" --show-depends $module; done |
    awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r module; do
    name=$(basename "$module")
    cp "$module" "$initrd/modules/$name"
    echo "$name" >>"$initrd/modules/order"
  done
  printf 'PARTS=%q\nKERNEL=%q\n' "$PARTS" "$WORK/kernel" >"$initrd/places"
  (cd "$initrd" && find . | cpio -o -H newc --quiet | gzip -1) >"$RUN/initrd.img"
}

boot() {
  # Several processors share one thread: with a thread each, emulation runs code that V8 has just replaced, and V8 dies.
  # An old processor's model is four times as fast as the newest, whose wide registers and page tables are all emulated.
  local cpu=host
  [ "$ACCEL" != tcg ] || ACCEL=tcg,thread=single,tb-size=1024 cpu=Nehalem
  LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/qemu/usr/lib/*-linux-gnu "$WORK"/qemu/lib/*-linux-gnu) \
    timeout --foreground "${MINUTES}m" "$QEMU" -M q35 -accel "$ACCEL" -cpu "$cpu" -smp "$CPUS" -m "$MEMORY" \
    -nodefaults -no-user-config -no-reboot -display none -serial stdio -device virtio-rng-pci \
    -kernel "$WORK/kernel/boot/vmlinuz-$VERSION" -initrd "$RUN/initrd.img" \
    -append "console=ttyS0 panic=-1 loglevel=3 mitigations=off ${KERNEL_WORDS[*]}" \
    -fsdev "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap" -device virtio-9p-pci,fsdev=host,mount_tag=host \
    -fsdev "local,id=exchange,path=$RUN/exchange,security_model=none" -device virtio-9p-pci,fsdev=exchange,mount_tag=exchange \
    "${QEMU_WORDS[@]}" </dev/null | tee "$WORK/console-$LAYOUT.log" || true
  verdict
}

boot_uml() {
  timeout --foreground "${MINUTES}m" "$WORK/uml/usr/bin/linux.uml" "mem=${MEMORY}M" root=/dev/root rootfstype=hostfs rootflags=/ ro quiet con=null con0=fd:0,fd:1 \
    init="$PARTS/machine-uml.sh" "parts=$PARTS" "modules=$WORK/uml" "exchange=$RUN/exchange" "${KERNEL_WORDS[@]}" </dev/null 2>&1 | tee "$WORK/console-$LAYOUT.log" || true
  verdict
}

verdict() {
  local code
  code=$(cat "$RUN/exchange/exit-code" 2>/dev/null) || fail "the machine went down before it was done; its console: $WORK/console-$LAYOUT.log"
  tell "$code"
}

tell() {
  if [ "$1" = 0 ]; then say "✔ cgroups $LAYOUT: $COMMAND"; else say "✖ cgroups $LAYOUT: $COMMAND ended with $1"; fi
  return "$1"
}

main
