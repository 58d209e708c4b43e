#!/usr/bin/env bash
# Every fault of the local tenant, over HTTP/1.1 and over HTTP/2 through a real terminator (nghttpx): the same command
# until it stops saying 5, then ledger and tenant agree user by user, and nothing that was settled was sent again.
set -u
command -v jq >/dev/null || exit 77
. "$(dirname "$0")/../support/servers.sh"

http2=yes
command -v nghttpx >/dev/null && command -v openssl >/dev/null || http2=no

for i in $(seq 0 23); do
    echo "{\"email\":\"User$i@example.com\",\"name\":\"User $i\"}"
done >users.ndjson

trial() { # PROTOCOL SEED FAULT...
    local protocol=$1 seed=$2 faults=() code=5 rounds=0
    shift 2
    for fault in "$@"; do faults+=(--fault "$fault"); done
    start_tenant --tier private-100 --latency 5 --seed "$seed" "${faults[@]}" --users-out of-tenant.ndjson
    sed -i '/^AUTH0_MNG_TOKEN=/d' .env # by client credentials, so that a 401 can be cured
    [ "$protocol" = http1 ] || start_proxy
    # Before its first write a run may be turned away as well (3): that is another try, too.
    while { [ $code = 5 ] || [ $code = 3 ]; } && [ $rounds -lt 25 ]; do
        "$ONRAMP_BINARY" upload --timeout 2 --no-progress \
            --ledger ledger.ndjson "$directory/users.ndjson" >>upload.log 2>&1
        code=$?
        rounds=$((rounds + 1))
    done
    stop_servers
    [ "$protocol" = http1 ] || [ "$(cut -d' ' -f2 access.log | sort -u)" = h2 ] || fail "$protocol $*: not over HTTP/2"
    [ $code = 0 ] || fail "$protocol $*: ended with $code after $rounds runs"
    jq -r 'select(.outcome == "created") | "\(.email | ascii_downcase) \(.user_id)"' ledger.ndjson | sort >of-ledger
    jq -r '"\(.email) \(.user_id)"' of-tenant.ndjson | sort >of-tenant
    [ "$(wc -l <of-tenant)" = 24 ] && cmp -s of-ledger of-tenant || fail "$protocol $*: ledger and tenant differ"
    jq -rn 'reduce (inputs | select(.email)) as $line ({}; if $line.type == "attempt" and .[$line.email] then
        error("sent again: \($line.email)") elif $line.outcome == "created" then .[$line.email] = true else . end)' \
        ledger.ndjson >/dev/null || fail "$protocol $*: a settled record was sent again"
    echo "$protocol $*: $rounds runs, $(jq -s '[.[] | select(.type == "attempt")] | length' ledger.ndjson) attempts," \
        "$(jq -s '[.[] | select(.adopted)] | length' ledger.ndjson) proven by asking"
}

# All of a protocol beside each other: they wait far more than they work.
run_all() { # PROTOCOL
    local trials='' seed=0 failed=0 name
    while read -r -a faults; do
        seed=$((seed + 1))
        name="$1-$seed"
        mkdir "$name"
        (
            trap stop_servers EXIT
            cd "$name" && trial "$1" $seed "${faults[@]}"
        ) &
        trials="$trials $!"
    done <<'FAULTS'
drop=0.15
lose=0.15
truncate=0.15
hang=0.1
bad-gateway=0.15
unavailable=0.15
error=0.15
edge=0.05
unauthorized=0.1
drop=0.03 lose=0.03 truncate=0.03 hang=0.02 bad-gateway=0.03 unavailable=0.03 error=0.03 edge=0.02 unauthorized=0.02
FAULTS
    for pid in $trials; do wait "$pid" || failed=1; done
    return $failed
}

run_all http1 || exit 1
if [ $http2 = no ]; then
    echo "test_faults: nghttpx is not there, so HTTP/2 was left out"
    exit 77
fi
run_all h2
