#!/usr/bin/env bash
# The long counts: random, fuzz and crash tests with numbers that take hours, not minutes. Prints seeds; figures are kept in README.md.
# Usage: e2e/soak.sh [fuzz iterations, default 1000000] [portal kills, default 200] [steps of pools with an attestation server, default 1000000]
#                    [operations on real hosts with something killed in each, default 200]
set -euo pipefail
cd "$(dirname "$0")/.."
export PORTAL_FUZZ_ITERATIONS="${1:-1000000}" PORTAL_CRASHES="${2:-200}" PORTAL_SERVED_STEPS="${3:-1000000}" PORTAL_REAL_OPERATIONS="${4:-200}"
export CsCheck_Iter="$PORTAL_FUZZ_ITERATIONS"
exec e2e/test.sh
