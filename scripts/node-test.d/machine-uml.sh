#!/bin/bash
# The first program of Linux in user mode, on the host's files: lays memory over them and goes on in machine-guest.sh.
# `exchange`, `modules` and `parts` come from the kernel's command line.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
modprobe -d "$modules" overlay
mount -t tmpfs -o size=80% tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
mkdir -p /mnt/root/machine /mnt/root/lib/modules
mount -t hostfs -o "$exchange" none /mnt/root/machine
mount --bind "$modules/lib/modules" /mnt/root/lib/modules
cd /mnt/root || exit
# Not only a change of root: who joins this mount namespace, as an exec in a container does, starts at its real root.
pivot_root . mnt
umount -l /mnt
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec chroot . "$parts/machine-guest.sh"
