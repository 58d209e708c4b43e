#!/usr/bin/env bash
# Uploads of 200 users over real sockets, by the clock, beside what `onramp plan` predicts in virtual time and what a client
# that knew everything would need. Prints a table; asserts nothing, since the time of a machine is its own.
#
#   ONRAMP_BINARY=… tests/bench/sockets.sh [TIER[+RIVALS]…]      e.g. enterprise enterprise+25
set -eu
[ $# -gt 0 ] || set -- free essentials enterprise enterprise+25 private-dev private-100 private-100+25 private-500
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/servers.sh"
gzip -dc "$here/../support/data/users-300.ndjson.gz" | head -n 200 >users.ndjson

# With --tier, since a plan is made with it too: both begin with the documented limits, and learn the rest.
upload() { # NAME: leaves NAME.json
    rm -f ledger.ndjson
    "$ONRAMP_BINARY" upload --tier "$tier" --reserve 0 --json --quiet --ledger ledger.ndjson users.ndjson \
        >"$1.json" 2>upload.log || fail "$1 ended with $?"
}

oracle() { # from plan's description of the tenant: the burst at once, then the refill, then the last answer
    jq -r '.plans[0].limit as $limit | .to_send as $n |
        ([($n - $limit.burst) / $limit.per_second, 0] | max) + .assumed.latency_median_ms / 1000' plan.json
}

printf '%-18s %9s %9s %10s %9s %8s %8s %14s\n' tenant oracle plan HTTP/1.1 HTTP/2 h1/plan h2/plan '429s h1, h2'
for row in "$@"; do
    tier=${row%+*} rivals=0
    [ "$tier" = "$row" ] || rivals=${row#*+}
    "$ONRAMP_BINARY" plan users.ndjson --tier "$tier" --reserve 0 --round-trip 0 --json >plan.json
    start_tenant --tls --ca-out ca.pem --tier "$tier" --rivals "$rivals"
    upload h1
    stop_servers
    start_tenant --tier "$tier" --rivals "$rivals"
    start_proxy
    upload h2
    stop_servers
    jq -rs --arg row "$row" --argjson oracle "$(oracle)" '[$row, $oracle, .[0].plans[0].seconds, .[1].seconds,
        .[2].seconds, .[1].seconds / .[0].plans[0].seconds, .[2].seconds / .[0].plans[0].seconds, .[1].throttled,
        .[2].throttled] | @tsv' plan.json h1.json h2.json |
        while IFS=$'\t' read -r name known plan h1 h2 r1 r2 t1 t2; do
            printf '%-18s %7.2f s %7.2f s %8.2f s %7.2f s %8.3f %8.3f %8s, %4s\n' "$name" "$known" "$plan" "$h1" "$h2" \
                "$r1" "$r2" "$t1" "$t2"
        done
done
