#!/bin/sh
# A machine to prepare: this one's system under a layer that vanishes, with stand-ins for what it lacks. Run in a mount namespace of its own;
# it says "ready" and lives until its standard input ends. Usage: machine.sh FOLDER
set -eu
mount --make-rprivate /
mount -t tmpfs none "$1"
cd "$1"
mkdir up work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" root
cd root
mount -t tmpfs none dev
for node in 'null 3' 'zero 5' 'full 7' 'random 8' 'urandom 9'; do mknod -m 666 "dev/${node% *}" c 1 "${node#* }"; done
mknod -m 666 dev/tty c 5 0
mknod -m 660 dev/tpmrm0 c 1 3
mkdir dev/pts
mount -t proc none proc
mount -t tmpfs none sys
mount -t tmpfs none run
mount -t tmpfs none tmp
mkdir run/sshd

tpm=sys/class/tpm/tpm0
mkdir -p $tpm/pcr-sha256 sys/firmware/efi/efivars
echo 2 >$tpm/tpm_version_major
for pcr in 17 18 19; do echo FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF >$tpm/pcr-sha256/$pcr; done
printf '\006\000\000\000\001' >sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c

rm -f etc/os-release
printf 'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=43\n' >etc/os-release
mkdir -p var/standin/rpm var/standin/systemd var/standin/firewall

stand_in() {
    { printf '#!/bin/sh\n'; cat; } >"usr/bin/$1"
    chmod 755 "usr/bin/$1"
}

# Whatever this system has of libvirt, the machine has the stand-in alone.
rm -f usr/sbin/libvirtd usr/sbin/virtqemud
stand_in virsh </dev/null
stand_in rpm <<'END'
for name in "$@"; do :; done
[ "$1" != -e ] || [ ! -e "/run/needed-$name" ] || exit 1
[ -e "/var/standin/rpm/$name" ]
END
stand_in dnf <<'END'
echo $$ >/run/dnf.pid
echo "dnf $*" >>/run/standin.log
shift
verb=$1
shift
while [ -e /run/dnf-waits ]; do sleep 0.1; done
while [ -e /run/dnf-floods ]; do echo "Downloading packages, some of them for the second time and more of them for the third"; done
[ ! -e /run/dnf-fails ] || { echo "Error: no space left"; exit 1; }
for name in "$@"; do
    if [ "$verb" = install ]; then
        : >"/var/standin/rpm/$name"
        [ "$name" != keylime-agent-rust ] || { mkdir -p /etc/keylime; echo '[agent]' >/etc/keylime/agent.conf; cp /bin/true /usr/bin/keylime_agent; }
    else
        rm -f "/var/standin/rpm/$name"
        [ "$name" != keylime-agent-rust ] || { rm -f /etc/keylime/agent.conf /usr/bin/keylime_agent; rmdir /etc/keylime 2>/dev/null; }
    fi
done
echo "Complete!"
END
# Every user here may do everything; whether a password is asked for is told by a file.
stand_in sudo <<'END'
asks=
[ ! -e /run/sudo-password ] || asks=1
while :; do
    case $1 in
        -n) [ -z "$asks" ] || { echo "sudo: a password is required"; exit 1; } ;;
        -k | -S) ;;
        -p) shift ;;
        *) break ;;
    esac
    shift
done
if [ -n "$asks" ]; then
    IFS= read -r word
    [ "$word" = "$(cat /run/sudo-password)" ] || { echo "sudo: 1 incorrect password attempt"; exit 1; }
fi
exec "$@"
END
stand_in zypper <<'END'
[ "$1" != --non-interactive ] || shift
verb=$1
shift 2
exec dnf -y "$verb" "$@"
END
stand_in systemctl <<'END'
state=/var/standin/systemd
case $1 in
    is-active) [ -e $state/active ] ;;
    is-enabled) [ -e $state/enabled ] ;;
    enable) : >$state/enabled ;;
    disable) rm -f $state/enabled ;;
    stop) rm -f $state/active ;;
    restart) echo "restart" >>/run/standin.log; [ -e /run/agent-dies ] || : >$state/active ;;
esac
END
stand_in firewall-cmd <<'END'
place=runtime
for word in "$@"; do
    case $word in
        --permanent) place=permanent ;;
        --query-port=*) [ -e "/var/standin/firewall/$place-$(dirname "${word#*=}")" ]; exit ;;
        --add-port=*) : >"/var/standin/firewall/$place-$(dirname "${word#*=}")" ;;
        --remove-port=*) rm -f "/var/standin/firewall/$place-$(dirname "${word#*=}")" ;;
    esac
done
END
echo ready
cat >/dev/null
