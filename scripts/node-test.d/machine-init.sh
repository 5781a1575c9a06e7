#!/bin/busybox sh
# The emulated machine's very first program, in its initial memory disk: reaches the host's files, lays memory over them
# and goes on in machine-guest.sh. Being process 1 throughout, it takes the kernel's own calls of modprobe along.
b() { /bin/busybox "$@"; }
. /places
b mount -t proc proc /proc
b mount -t sysfs sys /sys
b mount -t devtmpfs dev /dev
while read -r module; do b insmod "/modules/$module" || b echo "no module $module"; done </modules/order
b mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro,cache=loose host /host
b mount -t tmpfs -o size=60% tmpfs /layer
b mkdir -p /layer/upper /layer/work
b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root
b mkdir -p /root/machine /root/lib/modules
for tree in proc sys dev; do b mount -o move /$tree /root/$tree; done
b mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 exchange /root/machine
b mount -o bind "/root$KERNEL/lib/modules" /root/lib/modules
exec /bin/busybox switch_root /root "$PARTS/machine-guest.sh"
