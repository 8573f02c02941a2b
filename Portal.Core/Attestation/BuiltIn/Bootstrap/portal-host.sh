#!/bin/sh
# Makes this machine a host that a Portal attests: checks it, installs and points keylime's agent, or takes all of that back.
# For any POSIX shell, as root. It holds no secret. `--help` says how to use it.
set -u
umask 022
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
TPM2TOOLS_TCTI=${TPM2TOOLS_TCTI:-device:/dev/tpmrm0}
export LC_ALL PATH TPM2TOOLS_TCTI

registrar=%REGISTRAR%
http_port=%HTTP_PORT%
https_port=%HTTPS_PORT%
contact=%CONTACT%
agent_port=%AGENT_PORT%
agent_id=%AGENT_ID%
authority=%AUTHORITY%

configuration=/etc/keylime/agent.conf.d/90-portal.conf
authority_file=/etc/keylime/portal-agents-ca.pem
service=keylime_agent.service
state=/var/lib/portal-host
lock=/run/portal-host.lock
most_skew=300
sysfs=/sys/class/tpm/tpm0
secure_boot=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c

dry=
action=install
ticket=
without=
changed=
undoing=
locked=
scratch=
again=
hash=

usage() {
    cat <<'END'
Usage: sh portal-host.sh [--dry-run] [--contact ADDRESS] [--agent-id ID] [--ticket] [--without CHECK]...
       sh portal-host.sh [--dry-run] --remove
       sh portal-host.sh --check

  --dry-run          prints what would be done and changes nothing
  --check            only checks the machine
  --contact ADDRESS  address at which the portal reaches this host's agent
  --agent-id ID      the agent's name for itself; hash_ek (its default here) takes the hash of the endorsement key
  --ticket           reads a one-time ticket from standard input and tells the portal whose it is
  --without CHECK    goes on without secure-boot or libvirt
  --remove           undoes exactly what this script did here

Ends with 0 done, 2 wrong use, 10 not root, 11 no TPM 2.0, 12 Secure Boot is off, 13 no libvirt, 14 the portal is not
reached, 15 the clock is wrong, 16 no agent package, 17 not installed, 18 not configured, 19 the agent does not run,
20 the ticket was refused, 21 not all undone, 22 another run is at work, 30 stopped by a signal; all undone again.
END
}

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*"; }

stop() {
    code=$1
    shift
    printf 'stopped: %s\n' "$*" >&2
    if [ -n "$changed" ] && [ -n "$again" ]; then
        say "what earlier runs did stays; --remove undoes it"
    elif [ -n "$changed" ]; then
        say "undoing what this run did"
        dry=
        undo || { printf 'stopped: not all could be undone; %s names what is left\n' "$state/record" >&2; leave 21; }
    fi
    leave "$code"
}

leave() {
    trap - EXIT INT TERM
    [ -z "$scratch" ] || rm -rf "$scratch"
    [ -z "$locked" ] || rm -rf "$lock"
    exit "$1"
}

# Called by signals.
# shellcheck disable=SC2317
interrupted() {
    # While something is being undone, that goes to its end.
    [ -n "$undoing" ] || stop 30 "it was told to stop"
}

# Prints a word as a shell reads it again.
word() {
    case $1 in
        '' | *[!A-Za-z0-9_./:=,@%+-]*) printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")" ;;
        *) printf %s "$1" ;;
    esac
}

# Runs a command, or prints it. What it reads is never what this script is read from.
run() {
    line='+'
    for part in "$@"; do line="$line $(word "$part")"; done
    say "$line"
    [ -n "$dry" ] || "$@" </dev/null
}

have() { command -v "$1" >/dev/null 2>&1; }

is_address() {
    case $1 in
        '' | -* | *[!A-Za-z0-9.:_-]*) return 1 ;;
        *) [ "${#1}" -le 253 ] ;;
    esac
}

is_agent_id() {
    case $1 in
        *[!A-Za-z0-9_.-]*) return 1 ;;
        *[!.]*) [ "${#1}" -le 80 ] ;;
        *) return 1 ;;
    esac
}

in_url() {
    case $1 in
        *:*) printf '[%s]' "$1" ;;
        *) printf %s "$1" ;;
    esac
}

release() { sed -n "s/^$1=//p" /etc/os-release 2>/dev/null | sed -n '1{s/^["'\'']//;s/["'\'']$//;p;}' | tr '[:upper:]' '[:lower:]'; }

# --- checks -----------------------------------------------------------------------------------------------------------

check_tpm() {
    [ -c /dev/tpmrm0 ] || stop 11 "there is no /dev/tpmrm0: switch the TPM on in the firmware, then start again"
    major=$(cat "$sysfs/tpm_version_major" 2>/dev/null)
    [ "$major" = 2 ] || stop 11 "the TPM is version ${major:-unknown}; the portal needs a TPM 2.0"
    say "TPM: version 2.0"
}

check_secure_boot() {
    on=$(od -An -tu1 -j4 -N1 "$secure_boot" 2>/dev/null | tr -d ' ')
    if [ "$on" = 1 ]; then
        say "Secure Boot: on"
    elif goes_without secure-boot; then
        warn "Secure Boot is off; going on as told"
    else
        stop 12 "Secure Boot is off: switch it on in the firmware, or go on with --without secure-boot"
    fi
}

check_launch() {
    launched=yes
    for pcr in 17 18 19; do
        value=
        [ ! -r "$sysfs/pcr-sha256/$pcr" ] || value=$(tr '[:upper:]' '[:lower:]' <"$sysfs/pcr-sha256/$pcr")
        case $value in
            '') launched=unknown ;;
            *[!f]*) case $value in *[!0]*) ;; *) launched=no ;; esac ;;
            *) launched=no ;;
        esac
        [ "$launched" = yes ] || break
    done
    case $launched in
        yes) say "measured launch: PCR 17 to 19 hold measurements" ;;
        no) warn "there was no measured launch (Intel TXT, AMD SKINIT): PCR $pcr is all ${value%"${value#?}"}. Baselines can cover what the firmware measured, not PCR 17 to 19" ;;
        *) warn "whether there was a measured launch is not known: this kernel does not show PCR $pcr" ;;
    esac
}

check_libvirt() {
    if have virtqemud || have libvirtd || have virsh; then
        say "libvirt: found"
    elif goes_without libvirt; then
        warn "there is no libvirt here; going on as told"
    else
        stop 13 "there is no libvirt here, so no virtual machine can run: install it, or go on with --without libvirt"
    fi
}

# Seconds since 1970 of an HTTP date, "Tue, 24 Nov 2026 01:16:40 GMT". Source: RFC 9110 section 5.6.7.
seconds_of() {
    printf '%s\n' "$1" | tr -d '\r' | awk '{
        m = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $3) + 2) / 3
        if (split($5, t, ":") != 3 || m != int(m) || $4 !~ /^[0-9]+$/) exit
        y = $4 - (m <= 2); e = int(y / 400); p = m + (m > 2 ? -3 : 9)
        d = int((153 * p + 2) / 5) + $2 - 1
        r = y - e * 400
        printf "%.0f\n", ((e * 146097 + r * 365 + int(r / 4) - int(r / 100) + d - 719468) * 86400) + t[1] * 3600 + t[2] * 60 + t[3]
    }'
}

check_portal() {
    have curl || stop 14 "curl is not installed, so the portal cannot be asked: install curl"
    if [ "$https_port" != 0 ]; then
        url="https://$(in_url "$registrar"):$https_port/version"
    else
        url="http://$(in_url "$registrar"):$http_port/version"
    fi
    reached_from=$(ask "$url" -f -D "$scratch/head" -o /dev/null -w '%{local_ip}') || stop 14 "the portal does not answer at $url (curl: $?): check the address, the way to it and its firewall"
    there=$(seconds_of "$(sed -n 's/^[Dd][Aa][Tt][Ee]: *//p' "$scratch/head")")
    here=$(date +%s)
    [ -n "$there" ] || stop 14 "what answers at $url does not say its time, so it is no portal"
    skew=$((here - there))
    [ "$skew" -ge 0 ] || skew=$((-skew))
    [ "$skew" -le "$most_skew" ] || stop 15 "this clock is $skew seconds away from the portal's, more than $most_skew: set it right, with chrony for example"
    say "portal: reached, its clock differs by $skew s"
}

ask() {
    url_asked=$1
    shift
    printf '%s\n' "$authority" >"$scratch/ca.pem"
    curl -q -sS --noproxy '*' --proto '=http,https' --max-time 20 --max-filesize 65536 --cacert "$scratch/ca.pem" "$@" -- "$url_asked" 2>"$scratch/curl"
}

goes_without() {
    case " $without " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# --- packages ---------------------------------------------------------------------------------------------------------

find_packages() {
    manager=
    packages=
    ids="$(release ID) $(release ID_LIKE)"
    version=$(release VERSION_ID)
    major=${version%%.*}
    case $major in '' | *[!0-9]*) major=0 ;; esac
    if [ -e /run/ostree-booted ]; then
        reason="the system image of this host is not changed while it runs; layer keylime-agent-rust and tpm2-tools with rpm-ostree, start anew, then run this again"
    elif have transactional-update; then
        reason="the system of this host is not changed while it runs; install rust-keylime and tpm2.0-tools with transactional-update, start anew, then run this again"
    else
        reason="$(release ID) $version has no package of keylime's agent that this script knows; install keylime_agent another way, then run this again"
    fi
    if [ ! -e /run/ostree-booted ] && ! have transactional-update; then
        case " $ids " in
            *' rhel '* | *' centos '*)
                [ "$major" -lt 9 ] || { manager=dnf; packages='tpm2-tools keylime-agent-rust'; } ;;
            *' fedora '*) manager=dnf; packages='tpm2-tools keylime-agent-rust' ;;
            *' suse '* | *' opensuse '*) manager=zypper; packages='tpm2.0-tools rust-keylime' ;;
        esac
    fi
    missing=
    if [ -n "$manager" ]; then
        for package in $packages; do
            rpm -q --quiet "$package" </dev/null 2>/dev/null || missing="$missing $package"
        done
        [ -z "$missing" ] || have "$manager" || stop 16 "$manager is not here, so$missing cannot be installed"
    else
        have keylime_agent || stop 16 "$reason"
    fi
}

install_packages() {
    if [ -z "$missing" ]; then
        say "agent: installed"
        return
    fi
    for package in $missing; do note "package $package"; done
    # Their names are this script's own words. One transaction: all of them or none.
    # shellcheck disable=SC2086
    case $manager in
        dnf) run dnf -y install $missing ;;
        zypper) run zypper --non-interactive install --no-recommends $missing ;;
    esac || stop 17 "$manager could not install$missing"
}

remove_package() {
    rpm -q --quiet "$1" </dev/null 2>/dev/null || return 0
    if ! rpm -e --test "$1" </dev/null >/dev/null 2>&1; then
        warn "$1 stays: other packages need it by now"
        return 0
    fi
    if have dnf; then run dnf -y remove "$1"; else run zypper --non-interactive remove --clean-deps "$1"; fi
}

# --- what was done, so that it can be undone --------------------------------------------------------------------------

# Written down before it is done: what a crash interrupted is undone as well.
note() {
    [ -z "$dry" ] || return 0
    changed=1
    [ -d "$state" ] || { mkdir -p "$state" && chmod 700 "$state"; } || stop 18 "$state cannot be made"
    grep -qxF -- "$1" "$state/record" 2>/dev/null || printf '%s\n' "$1" >>"$state/record" || stop 18 "$state/record cannot be written"
}

noted() { grep -qxF -- "$1" "$state/record" 2>/dev/null; }

undo() {
    undoing=1
    left=0
    : >"$scratch/left"
    sed '1!G;h;$!d' "$state/record" 2>/dev/null >"$scratch/undo"
    while read -r what one two <&3; do
        undo_one "$what" "$one" "$two" || { left=1; printf '%s %s %s\n' "$what" "$one" "$two" >>"$scratch/left"; }
    done 3<"$scratch/undo"
    if [ "$left" = 0 ]; then
        [ ! -d "$state" ] || run rm -rf "$state"
    elif [ -z "$dry" ]; then
        sed '1!G;h;$!d;' "$scratch/left" | sed 's/ *$//' >"$state/record"
    fi
    return "$left"
}

undo_one() {
    case $1 in
        package) remove_package "$2" ;;
        directory) [ ! -d "$2" ] || [ -n "$(ls -A "$2")" ] || run rmdir "$2" ;;
        file) [ ! -e "$2" ] || run rm -f "$2" ;;
        kept) [ ! -e "$state/kept-$3" ] || { run cp -p "$state/kept-$3" "$2.portal-new" && run mv -f "$2.portal-new" "$2"; } ;;
        port) run firewall-cmd --quiet --permanent --remove-port="$2/tcp" && run firewall-cmd --quiet --remove-port="$2/tcp" ;;
        enabled) ! systemctl is-enabled --quiet "$service" 2>/dev/null || run systemctl disable "$service" ;;
        started) ! systemctl is-active --quiet "$service" 2>/dev/null || run systemctl stop "$service" ;;
        restarted) run systemctl restart "$service" ;;
        *) warn "the record has a line this script does not know: $1" ; return 1 ;;
    esac
}

# --- configuration ----------------------------------------------------------------------------------------------------

# Puts the content of $scratch/new at a path; nothing happens when it is there already.
put() {
    path=$1
    name=${path##*/}
    if [ -f "$path" ] && cmp -s "$scratch/new" "$path"; then
        return 0
    fi
    rewritten=1
    if [ -n "$dry" ]; then
        say "+ write $path:"
        sed 's/^/    /' "$scratch/new"
        return 0
    fi
    say "+ write $path"
    # The file of somebody else is kept, once; ours is not.
    if [ -e "$path" ] && ! noted "file $path" && ! noted "kept $path $name"; then
        note "kept $path $name"
        { cp -p "$path" "$state/new" && mv "$state/new" "$state/kept-$name"; } || stop 18 "$path cannot be kept"
    elif [ ! -e "$path" ] && ! noted "kept $path $name"; then
        note "file $path"
    fi
    { cp "$scratch/new" "$path.portal-new" && chmod 644 "$path.portal-new" && mv -f "$path.portal-new" "$path"; } || stop 18 "$path cannot be written"
    ! have restorecon || restorecon "$path" </dev/null || warn "the SELinux label of $path could not be set"
}

folder() {
    [ ! -d "$1" ] || return 0
    note "directory $1"
    run mkdir "$1" || stop 18 "$1 cannot be made"
}

configure() {
    rewritten=
    folder /etc/keylime
    folder /etc/keylime/agent.conf.d
    printf '%s\n' "$authority" >"$scratch/new"
    put "$authority_file"
    if [ -z "$contact" ]; then
        # The address this host reached the portal from.
        contact=$reached_from
        is_address "$contact" || stop 18 "the address of this host is not clear: name it with --contact"
    fi
    any=0.0.0.0
    case $contact in *:*) any=:: ;; esac
    {
        printf '# By portal-host.sh; its --remove takes this file away.\n[agent]\n'
        printf 'uuid = "%s"\nip = "%s"\nport = %s\n' "$agent_id" "$any" "$agent_port"
        printf 'contact_ip = "%s"\ncontact_port = %s\n' "$contact" "$agent_port"
        printf 'registrar_ip = "%s"\n' "$registrar"
        if [ "$http_port" != 0 ]; then
            # Agents of most distributions register without TLS: the TPM proves whose keys they are, not who carried them.
            printf 'registrar_port = %s\n' "$http_port"
        else
            printf 'registrar_port = %s\nregistrar_tls_enabled = true\nregistrar_tls_ca_cert = "%s"\n' "$https_port" "$authority_file"
        fi
        printf 'enable_agent_mtls = true\ntrusted_client_ca = "%s"\n' "$authority_file"
        printf 'tpm_hash_alg = "sha256"\ntpm_encryption_alg = "rsa"\ntpm_signing_alg = "rsassa"\n'
    } >"$scratch/new"
    put "$configuration"
}

open_firewall() {
    have firewall-cmd || return 0
    firewall-cmd --quiet --state </dev/null 2>/dev/null || return 0
    if firewall-cmd --quiet --permanent --query-port="$agent_port/tcp" </dev/null 2>/dev/null; then
        return 0
    fi
    note "port $agent_port"
    { run firewall-cmd --quiet --permanent --add-port="$agent_port/tcp" && run firewall-cmd --quiet --add-port="$agent_port/tcp"; } ||
        stop 18 "firewalld did not open port $agent_port"
}

start_agent() {
    have systemctl || stop 19 "there is no systemd here to start the agent with"
    if ! systemctl is-enabled --quiet "$service" </dev/null 2>/dev/null; then
        note enabled
        run systemctl enable "$service" || stop 19 "$service cannot be enabled"
    fi
    if ! systemctl is-active --quiet "$service" </dev/null 2>/dev/null; then
        note started
    elif [ -z "$rewritten" ]; then
        say "the agent runs with these settings already"
        return
    fi
    run systemctl restart "$service" || stop 19 "the agent does not start; journalctl -u $service says why"
    [ -n "$dry" ] || systemctl is-active --quiet "$service" </dev/null || stop 19 "the agent started and ended; journalctl -u $service says why"
}

# --- ticket -----------------------------------------------------------------------------------------------------------

# SHA-256 of the endorsement key the agent registers with (RSA-2048, default template), as the portal shows it.
endorsement_hash() {
    hash=
    have tpm2_createek || return 0
    tpm2_createek -Q -c "$scratch/ek.ctx" -G rsa -u "$scratch/ek.pub" </dev/null >/dev/null 2>&1 &&
        tpm2_readpublic -Q -c "$scratch/ek.ctx" -f der -o "$scratch/ek.der" </dev/null >/dev/null 2>&1 &&
        hash=$(sha256sum "$scratch/ek.der" | cut -d ' ' -f 1)
}

show_endorsement() {
    [ -z "$dry" ] || { say "+ read the endorsement key and show its SHA-256"; return 0; }
    endorsement_hash
    if [ -n "$hash" ]; then
        say "endorsement key: $hash"
    else
        warn "the endorsement key could not be read with tpm2-tools; compare it another way before you accept it"
    fi
}

hand_in_ticket() {
    [ -n "$ticket" ] || return 0
    url="https://$(in_url "$registrar"):$https_port/portal/tickets"
    if [ -n "$dry" ]; then
        say "+ send the ticket and the SHA-256 of the endorsement key to $url"
        return
    fi
    [ -n "$hash" ] || stop 20 "the ticket cannot be used: the endorsement key could not be read"
    # By standard input: arguments are seen by others.
    status=$(printf '{"ticket":"%s","endorsement_hash":"%s"}' "$ticket" "$hash" |
        ask "$url" -o "$scratch/answer" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary @-) ||
        stop 20 "the ticket could not be sent to $url"
    ticket=
    [ "$status" = 200 ] || stop 20 "the portal does not take this ticket: it was used, has ended or was never made there"
    say "ticket: taken; the portal expects this endorsement key now"
}

read_ticket() {
    [ "$https_port" != 0 ] || stop 20 "this portal takes tickets over TLS only, and has no TLS port for hosts"
    [ ! -t 0 ] || say "paste the ticket, then press Enter:"
    IFS= read -r ticket || [ -n "$ticket" ] || stop 20 "there is no ticket on standard input"
    case $ticket in '' | *[!A-Za-z0-9_-]*) stop 20 "that is no ticket: it has letters, digits, - and _ only" ;; esac
}

# --- beginning and end ------------------------------------------------------------------------------------------------

take_lock() {
    if ! mkdir "$lock" 2>/dev/null; then
        if [ -s "$lock/pid" ] && kill -0 "$(cat "$lock/pid")" 2>/dev/null; then
            stop 22 "another run of this script is at work here ($lock)"
        fi
        rm -rf "$lock"
        mkdir "$lock" || stop 22 "$lock cannot be made"
    fi
    locked=1
    # The number of this very process, which $$ is not.
    sh -c 'echo "$PPID"' >"$lock/pid"
}

install() {
    check_tpm
    check_secure_boot
    check_launch
    check_libvirt
    check_portal
    find_packages
    [ "$action" = install ] || { say "all checks passed"; return; }
    if [ -s "$state/record" ]; then
        again=1
    elif systemctl is-active --quiet "$service" </dev/null 2>/dev/null; then
        # Undone last: it runs on with its old settings.
        note restarted
    fi
    install_packages
    configure
    show_endorsement
    hand_in_ticket
    open_firewall
    start_agent
    if [ -n "$dry" ]; then say "nothing was changed"; else say "done: this host registers with the portal at $registrar"; fi
}

remove() {
    if [ ! -s "$state/record" ]; then
        say "nothing to remove: this script has done nothing here"
        return
    fi
    undo || stop 21 "not all could be undone; $state/record names what is left"
    if [ -n "$dry" ]; then say "nothing was changed"; else say "done: what this script did here is undone"; fi
}

main() {
    wants_ticket=
    while [ $# -gt 0 ]; do
        case $1 in
            --dry-run) dry=1 ;;
            --check) action=check ;;
            --remove) action=remove ;;
            --ticket) wants_ticket=1 ;;
            --contact) [ $# -gt 1 ] || stop 2 "--contact needs an address"; shift; contact=$1 ;;
            --agent-id) [ $# -gt 1 ] || stop 2 "--agent-id needs an id"; shift; agent_id=$1 ;;
            --without) [ $# -gt 1 ] || stop 2 "--without needs the name of a check"; shift
                case $1 in secure-boot | libvirt) without="$without $1" ;; *) stop 2 "only secure-boot and libvirt can be gone without" ;; esac ;;
            --help) usage; exit 0 ;;
            *) usage >&2; stop 2 "this script knows no $1" ;;
        esac
        shift
    done
    is_address "$registrar" || stop 2 "the portal's address in this script is none"
    [ -z "$contact" ] || is_address "$contact" || stop 2 "$contact is no address"
    is_agent_id "$agent_id" || stop 2 "an agent's id has up to 80 letters, digits, _, . and -"
    [ "$(id -u)" = 0 ] || stop 10 "this needs root: run it with sudo"
    scratch=$(mktemp -d) || stop 18 "no temporary folder can be made"
    # Nobody looking any more is no reason to stop half-way.
    trap '' HUP PIPE
    trap interrupted INT TERM
    trap 'leave 18' EXIT
    [ -n "$dry" ] || [ "$action" = check ] || take_lock
    [ -z "$wants_ticket" ] || read_ticket
    if [ "$action" = remove ]; then remove; else install; fi
    leave 0
}

# Hands on what is said. When nobody listens any more it reads on, so that no package manager trips over a connection that ended.
relay() {
    trap '' HUP INT PIPE TERM
    while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$line" 2>/dev/null; done
}

# All of it is read before any of it is done.
trap : INT TERM
exec 4>&1
code=$({ { (main "$@") 2>&1 3>&- 4>&-; echo "$?" >&3; } | relay >&4 3>&-; } 3>&1)
exit "$code"
