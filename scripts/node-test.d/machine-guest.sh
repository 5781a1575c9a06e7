#!/bin/bash
# The emulated machine's process 1, on the host's files: mounts what a system mounts, the cgroups as asked for (or leaves
# them to systemd), then runs the command that machine.sh left and turns the machine off.
. /machine/settings
export HOME=/root LANG=C.UTF-8

mount_system() {
  mkdir -p /dev/pts /dev/shm /dev/mqueue
  mount -t devpts devpts /dev/pts
  mount -t tmpfs shm /dev/shm
  mount -t mqueue mqueue /dev/mqueue
  mount -t tmpfs run /run
  mount -t tmpfs -o size=60%,mode=1777 tmp /tmp
  mkdir -p /run/netns /run/lock
  mount --make-rshared /
  ip link set lo up
  hostname machine
}

# The layouts that systemd makes: unified, legacy, and legacy with an empty version 2 beside it.
mount_cgroups() {
  local controllers
  if [ "$LAYOUT" = v2 ]; then
    mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
    for controllers in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controllers" >/sys/fs/cgroup/cgroup.subtree_control; done
    return
  fi
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  for controllers in cpu,cpuacct cpuset memory devices freezer blkio pids hugetlb net_cls,net_prio perf_event rdma misc; do
    mkdir "/sys/fs/cgroup/$controllers"
    mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$controllers" || rmdir "/sys/fs/cgroup/$controllers"
  done
  ln -s cpu,cpuacct /sys/fs/cgroup/cpu
  ln -s cpu,cpuacct /sys/fs/cgroup/cpuacct
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
  [ "$LAYOUT" = hybrid ] || return 0
  mkdir /sys/fs/cgroup/unified
  mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
}

# Goes on below as a service, once systemd has mounted the cgroups as the kernel's command line has it and D-Bus runs.
become_systemd() {
  local units=/run/systemd/system unit
  mkdir -p $units/dbus.socket.d $units/dbus.service.d
  for unit in dbus.socket dbus.service; do printf '[Unit]\nDefaultDependencies=no\n' >$units/$unit.d/alone.conf; done
  cat >$units/machine.service <<UNIT
[Unit]
DefaultDependencies=no
Requires=dbus.service
After=dbus.service
[Service]
ExecStart=$PARTS/machine-guest.sh as-a-service
StandardOutput=file:/dev/console
StandardError=file:/dev/console
TasksMax=infinity
UNIT
  exec /lib/systemd/systemd --unit=machine.service
}

if [ "${1:-}" != as-a-service ]; then
  mount_system
  [ -z "$SYSTEMD" ] || become_systemd
  mount_cgroups
fi
for module in overlay veth bridge br_netfilter loop $MODULES; do modprobe "$module" || echo "no module $module"; done
echo "Linux $(uname -r), cgroups $LAYOUT, $(nproc) processors, up after $(cut -d' ' -f1 /proc/uptime) s"
setsid -w bash /machine/command </dev/null
echo $? >/machine/exit-code
sync
echo o >/proc/sysrq-trigger
sleep 60
