# The node of scripts/node-test: its root, its identity, its network, power on and off. Sourced; names are the caller's.
# shellcheck shell=bash disable=SC2154
PACKAGES=systemd,systemd-sysv,dbus,udev,iproute2,iptables,conntrack,containerd,runc,containernetworking-plugins,libatomic1,mount,procps

set_up() {
  mkdir -p "$WORK"/{lib/containerd,lib/kubelet,upper,scratch,tree}
  [ -e "$WORK/root/usr/bin/systemctl" ] || debootstrap --variant=minbase --include=$PACKAGES bookworm "$WORK/root" >"$WORK/debootstrap.log"
  ensure_nspawn
  mount -t overlay overlay -o "lowerdir=$WORK/root,upperdir=$WORK/upper,workdir=$WORK/scratch" "$TREE"
  install_node
  ip netns add $NETNS
  ip link add $NODE netns "$CLUSTER" type veth peer name eth0 netns $NETNS
  ip -n "$CLUSTER" link set $NODE master br0 up
  printf '%s\n' "link set lo up" "addr add $ADDRESS/24 dev eth0" "link set eth0 up" "route add default via $CONTROL_PLANE" | ip -n $NETNS -batch -
  nsenter --net=/run/netns/$NETNS sysctl -qw net.ipv4.ip_forward=1
  boot
  check "the node is Ready" is node $NODE '.status.conditions[?(@.type=="Ready")].status' True
  kubectl create namespace $NAMESPACE >/dev/null 2>&1 || true
}

# Debian's systemd-container, unpacked where it is not installed: installing it may upgrade the host's own systemd.
ensure_nspawn() {
  NSPAWN=$(type -P systemd-nspawn || echo "$WORK/nspawn/usr/bin/systemd-nspawn")
  [ ! -e "$NSPAWN" ] || return 0
  (cd "$WORK/scratch" && apt-get download systemd-container libsystemd-shared >/dev/null 2>&1 && for deb in *.deb; do dpkg -x "$deb" "$WORK/nspawn"; done)
  rm -f "$WORK"/scratch/*.deb
}

install_node() {
  local etc=$TREE/etc/skiff drop_in=$TREE/etc/systemd/system
  mkdir -p "$TREE"/opt/skiff "$etc"/{pki,kubeconfigs} "$TREE/etc/containerd" "$drop_in"/{containerd,kubelet}.service.d
  install -m755 "$(type -P node || echo "$ROOT/.tools/node")" "$TREE/usr/bin/node"
  cp -a "$ROOT/dist" "$ROOT/proto" "$TREE/opt/skiff/"
  cp "$STATE/images/builtin-1.tar" "$TREE/opt/skiff/"
  cp "$STATE/pki/ca.crt" "$etc/pki/"
  identity "$etc/pki/kubelet-$NODE" "/CN=$ADDRESS" serverAuth "subjectAltName=IP:$ADDRESS,DNS:$NODE"
  identity "$WORK/client" "/O=system:nodes/CN=system:node:$NODE" clientAuth ""
  cp "$STATE"/kubeconfigs/{kube-proxy,node-network}.conf "$etc/kubeconfigs/"
  sed -e "s#client-certificate-data:.*#client-certificate-data: $(base64 -w0 "$WORK/client.crt")#" \
    -e "s#client-key-data:.*#client-key-data: $(base64 -w0 "$WORK/client.key")#" \
    "$STATE/kubeconfigs/kube-proxy.conf" >"$etc/kubeconfigs/kubelet-$NODE.conf"
  sed -e "s#^\(SKIFF_CONTROL_PLANE\|SKIFF_ETCD\)=.*#\1=$CONTROL_PLANE#; s#^SKIFF_NODE_NAME=.*#SKIFF_NODE_NAME=$NODE#; s#^SKIFF_NODE_IP=.*#SKIFF_NODE_IP=$ADDRESS#" \
    -e "s#^SKIFF_POD_RANGE=.*#SKIFF_POD_RANGE=$(jq -r .addresses.pods "$STATE/cluster.json")#" "$ROOT/deploy/systemd/skiff.env" >"$etc/skiff.env"
  cat >"$etc/kubelet.yaml" <<'CONFIG'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
shutdownGracePeriod: 30s
shutdownGracePeriodCriticalPods: 10s
CONFIG
  cp "$ROOT"/deploy/systemd/{kubelet,kube-proxy,node-network}.service "$drop_in/"
  sed -i "s#kubelet.mjs #kubelet.mjs --config=/etc/skiff/kubelet.yaml #" "$drop_in/kubelet.service"
  sed 's/SystemdCgroup = false/SystemdCgroup = true/; s/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$ROOT/deploy/systemd/containerd-config.toml" >"$TREE/etc/containerd/config.toml"
  # What a container is not allowed, or finds read-only.
  cat >"$drop_in/containerd.service.d/container.conf" <<'UNIT'
[Service]
OOMScoreAdjust=0
ExecStartPre=/bin/sh -c 'for m in /sys/fs/cgroup /sys/fs/cgroup/*/; do mount -o remount,rw,bind $$m; done; true'
ExecStartPost=/usr/bin/ctr -n k8s.io images import /opt/skiff/builtin-1.tar
UNIT
  printf '[Service]\nOOMScoreAdjust=0\n' >"$drop_in/kubelet.service.d/container.conf"
  chroot "$TREE" systemctl -q enable containerd kubelet kube-proxy node-network 2>/dev/null
  chroot "$TREE" systemctl -q mask systemd-udevd systemd-networkd systemd-networkd-wait-online 2>/dev/null
}

# identity FILE SUBJECT USAGE EXTENSION: a key and a certificate of the cluster's CA.
identity() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  openssl req -new -key "$1.key" -subj "$2" | openssl x509 -req -CA "$STATE/pki/ca.crt" -CAkey "$STATE/pki/ca.key" -set_serial "0x$(openssl rand -hex 15)" -days 2 -out "$1.crt" \
    -extfile <(printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=%s\n%s\n' "$3" "$4") 2>/dev/null
}

# Its own cgroup in each hierarchy, so that the node's systemd has one to manage.
boot() {
  (
    for hierarchy in /sys/fs/cgroup/*/; do
      mkdir -p "$hierarchy/$NETNS"
      case $hierarchy in */cpuset/) for file in cpuset.cpus cpuset.mems; do cat "$hierarchy/$file" >"$hierarchy/$NETNS/$file"; done; echo 1 >"$hierarchy/$NETNS/cgroup.clone_children" ;; esac
      echo "$BASHPID" >"$hierarchy/$NETNS/cgroup.procs"
    done
    libs=$WORK/nspawn/usr/lib/$(uname -m)-linux-gnu/systemd:$WORK/nspawn/lib/$(uname -m)-linux-gnu/systemd
    exec env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0 SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 LD_LIBRARY_PATH="$libs" "$NSPAWN" -q -D "$TREE" --boot --register=no --keep-unit \
      --console=pipe --machine=$NODE --capability=all --system-call-filter="@keyring bpf add_key keyctl" --network-namespace-path=/run/netns/$NETNS \
      --bind="$WORK/lib/containerd:/var/lib/containerd" --bind="$WORK/lib/kubelet:/var/lib/kubelet" </dev/null >>"$WORK/console.log" 2>&1
  ) &
  MACHINE=$!
  # Two systemds in a row are two processes: the first one's child is the node's init.
  eventually 60 in_node systemctl is-active kubelet || { tail -20 "$WORK/console.log"; exit 1; }
}

init_pid() { pgrep -P "$MACHINE" | head -1; }
in_node() { nsenter -t "$(init_pid)" -m -u -i -n -p -r -w env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
is_off() { ! kill -0 "$MACHINE" 2>/dev/null; }
cut_power() { kill -9 "$(init_pid)"; eventually 30 is_off; }

tear_down() {
  set +e
  kubectl delete namespace $NAMESPACE --wait=false >/dev/null 2>&1
  kubectl delete node $NODE >/dev/null 2>&1
  if [ -n "${MACHINE:-}" ] && ! is_off; then cut_power; fi
  ip netns delete $NETNS 2>/dev/null
  umount "$TREE" 2>/dev/null
  rm -rf "$WORK"/{upper,scratch,lib,tree}
  for hierarchy in /sys/fs/cgroup/*/; do find "$hierarchy/$NETNS" -depth -type d -exec rmdir {} + 2>/dev/null; done
}
