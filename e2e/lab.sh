#!/usr/bin/env bash
# Brings up a lab: three hosts with libvirt, QEMU and a software TPM each on this machine, and the portal beside them at http://localhost:5080.
# Runs until 'stop' is typed or it is interrupted, and takes everything down. Needs root, for host names of their own.
# Usage: e2e/lab.sh [address of the portal, default http://127.0.0.1:5080]
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils swtpm swtpm-tools tpm2-tools)
missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "These Debian packages are missing. Install them with:" >&2
    echo "  sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'" >&2
    exit 1
fi

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
[ -f artifacts/portal/Portal.dll ] || dotnet publish Portal -c Release -v quiet -nologo -o artifacts/portal
dotnet build e2e/Lab -c Release -v quiet -nologo
exec dotnet e2e/Lab/bin/Release/net10.0/Portal.E2E.Lab.dll "$@"
