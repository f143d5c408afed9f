# The node's first process: gives the node a /run, a /var and knobs of the kernel of its own, and
# then only reaps what is left to it. When it is killed, the kernel ends all else that is here.
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
mount --bind "$1/var" /var
mkdir /run/node
# The kubelet sets these for the whole machine; here it sets files instead.
for knob in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  copy=/run/node/$(basename $knob)
  cat /proc/sys/$knob >"$copy"
  mount --bind "$copy" /proc/sys/$knob
done
# Where the pods' control groups go: in each hierarchy of version 1, or in the one of version 2.
if [ -e /sys/fs/cgroup/cgroup.procs ]; then
  mkdir -p "/sys/fs/cgroup/$2"
else
  for hierarchy in /sys/fs/cgroup/*/cgroup.procs; do mkdir -p "${hierarchy%/*}/$2"; done
fi
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet # NodePorts answer on 127.0.0.1
[ -e /proc/sys/net/bridge ] || modprobe br_netfilter
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables # Services answer between pods of one bridge
touch /run/node/ready
trap '' CHLD # inherited by sleep: the kernel reaps
exec sleep infinity
