#!/bin/sh
# A host with a system libvirtd and an sshd in front of it, in mount and UTS namespaces of their own; it lives until its standard input ends.
# Usage: sshhost.sh FOLDER PORT, where FOLDER has hostkey and key.pub
set -eu
folder=$1
port=$2
exec >>"$folder/log" 2>&1
mount --make-rprivate /
hostname sshhost
for part in /run /etc/libvirt /var/lib /var/cache /var/log; do
    mount -t tmpfs none $part
done
mkdir -p /run/sshd /run/libvirt
for table in passwd group; do
    { cat /etc/$table; grep -q ^libvirt-qemu: /etc/$table || echo "libvirt-qemu:x:64055:$([ $table = group ] || echo 64055::/:/bin/false)"; } >"$folder/$table"
    mount --bind "$folder/$table" /etc/$table
done
printf 'user = "root"\ngroup = "root"\nsecurity_driver = "none"\n' >/etc/libvirt/qemu.conf
cat >"$folder/libvirtd.conf" <<END
host_uuid = "5a0d3b1e-6f0c-4c53-9d0e-1f4f7f1c2a11"
auth_unix_rw = "none"
unix_sock_dir = "/run/libvirt"
END
cp "$folder/key.pub" "$folder/authorized"
chmod 600 "$folder/authorized"
cat >"$folder/sshd_config" <<END
ListenAddress 127.0.0.1
Port $port
HostKey $folder/hostkey
PidFile none
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
AuthorizedKeysFile $folder/authorized
StrictModes no
END
libvirtd -f "$folder/libvirtd.conf" --pid-file /run/libvirtd.pid </dev/null &
libvirtd=$!
/usr/sbin/sshd -D -e -f "$folder/sshd_config" </dev/null &
sshd=$!
while kill -0 $libvirtd && [ ! -S /run/libvirt/libvirt-sock ]; do sleep 0.1; done
: >"$folder/ready"
cat >/dev/null
kill $libvirtd $sshd
