#!/usr/bin/env bash
# How long uploads into the local tenant take by the clock, against what `onramp plan` says. Prints; asserts nothing,
# since the time of a machine is its own.
#
#   plan_ratio.sh ONRAMP FILE [TIER...]
set -eu
onramp=$(realpath "$1") file=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- enterprise private-dev private-100
directory=$(mktemp -d)
tenant=''
finish() {
    [ -z "$tenant" ] || kill "$tenant" 2>/dev/null || true
    wait
    rm -rf "$directory"
}
trap finish EXIT
cd "$directory"

printf '%-20s %10s %10s %7s %10s\n' plan planned uploaded ratio throttled
for tier in "$@"; do
    rm -f .env ledger.ndjson
    "$onramp" tenant --tier "$tier" --quiet --write-env .env >tenant.log 2>&1 &
    tenant=$!
    until [ -s .env ]; do sleep 0.1; done
    # Loopback: no way to speak of.
    planned=$("$onramp" plan "$file" --tier "$tier" --round-trip 0 --json | jq '.plans[0].seconds')
    "$onramp" upload "$file" --tier "$tier" --ledger ledger.ndjson --quiet --json >summary.json
    kill "$tenant"
    wait "$tenant" 2>/dev/null || true
    tenant=''
    jq -r --arg tier "$tier" --argjson planned "$planned" \
        '[$tier, $planned, .seconds, .seconds / $planned, .throttled] | @tsv' summary.json |
        while IFS=$'\t' read -r name plan real ratio throttled; do
            printf '%-20s %8.2f s %8.2f s %7.3f %10s\n' "$name" "$plan" "$real" "$ratio" "$throttled"
        done
done
