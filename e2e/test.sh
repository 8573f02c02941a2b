#!/usr/bin/env bash
# Passes every test: unit and component tests, real TPMs, a real browser, a portal killed in the middle of its work.
# Installs the Debian packages that are missing; without root it prints the one command that would.
set -uo pipefail
cd "$(dirname "$0")/.."

packages=(busybox chromium curl libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu openssh-server openssl qemu-system-x86 qemu-utils shellcheck sqlite3 swtpm swtpm-tools tpm2-tools)
missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        echo "These Debian packages are missing. Install them with:" >&2
        echo "  sudo sh -c '$install'" >&2
        exit 1
    fi
    DEBIAN_FRONTEND=noninteractive sh -c "$install" >/dev/null || { echo "Installing ${missing[*]} failed." >&2; exit 1; }
fi

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
artifacts="$PWD/artifacts"
rm -rf "$artifacts/results" "$artifacts/portal"
mkdir -p "$artifacts/results"

dotnet tool restore >/dev/null || exit 1
dotnet build Portal.sln -c Release -v quiet -nologo || exit 1
dotnet ef migrations has-pending-model-changes --no-build --configuration Release --project Portal.Core --startup-project Portal.Core --context SqlitePortalDbContext \
    || { echo "The model has changed: add a migration." >&2; exit 1; }
dotnet publish Portal -c Release --no-build -v quiet -nologo -o "$artifacts/portal" || exit 1

# One project after the other: browser, TPMs and the killed portal do not share two cores with the unit tests.
status=0
log="$artifacts/results/log.txt"
for project in Portal.Tests e2e/Peers e2e/Browser; do
    dotnet test --project "$project" -c Release --no-build 2>&1 | tee -a "$log"
    result=${PIPESTATUS[0]}
    [ "$result" = 0 ] || status=$result
done

# The totals are those each test program ends with.
count() { awk -v word="$1:" '$1 == word { sum += $2 } END { print sum + 0 }' "$log"; }
passed=$(count succeeded)
failed=$(count failed)
skipped=$(count skipped)
# A test program that crashed counts nothing.
if [ $status != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
if [ "${CI:-}" = true ] && [ "$skipped" != 0 ]; then
    echo "Skipped tests count as failures here." >&2
    status=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ] && exit $status
exit 1
