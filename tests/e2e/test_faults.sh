#!/usr/bin/env bash
# Every fault of the local tenant, over HTTP/1.1 and over HTTP/2 through a real terminator (nghttpx): the same command
# until it stops saying 5, then ledger and tenant agree user by user, and nothing that was settled was sent again.
set -u
: "${ONRAMP_BINARY:?}"
command -v jq >/dev/null || exit 77
unset https_proxy HTTPS_PROXY
directory=$(mktemp -d)
pids=''
finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null; done
    wait
    rm -rf "$directory"
}
trap finish EXIT
cd "$directory" || exit 1

http2=yes
command -v nghttpx >/dev/null && command -v openssl >/dev/null || http2=no
[ $http2 = no ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout key.pem -out cert.pem 2>openssl.log || exit 1

for i in $(seq 0 23); do
    echo "{\"email\":\"User$i@example.com\",\"name\":\"User $i\"}"
done >users.ndjson

fail() {
    echo "test_faults: $*"
    tail -n 5 ./*.log 2>/dev/null
    exit 1
}

await() { # FILE or PORT: until it is there
    for _ in $(seq 600); do
        case $1 in
        *[!0-9]*) [ -s "$1" ] && return ;;
        *) (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return ;;
        esac
        sleep 0.1
    done
    fail "waited in vain for $1"
}

terminate_tls() { # BACKEND_PORT: sets $port and $proxy. nghttpx wants a number; another one if somebody was quicker.
    for _ in $(seq 20); do
        port=$((20000 + RANDOM % 20000))
        nghttpx --conf=/dev/null --frontend="127.0.0.1,$port" --backend="127.0.0.1,$1" --workers=1 \
            --accesslog-file="$PWD/access.log" --accesslog-format='$alpn $status' \
            "$directory/key.pem" "$directory/cert.pem" >proxy.log 2>&1 &
        proxy=$!
        for _ in $(seq 100); do
            kill -0 $proxy 2>/dev/null || break
            (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
            sleep 0.1
        done
        wait $proxy
    done
    fail "nghttpx did not start"
}

trial() { # PROTOCOL SEED FAULT...
    local protocol=$1 seed=$2 port='' proxy='' tenant faults=() flags=() code=5 rounds=0
    shift 2
    for fault in "$@"; do faults+=(--fault "$fault"); done
    pids=''
    "$ONRAMP_BINARY" tenant --tier private-100 --latency 5 --quiet --seed "$seed" "${faults[@]}" --write-env tenant.env \
        --users-out of-tenant.ndjson >tenant.log 2>&1 &
    tenant=$!
    pids=$tenant
    await tenant.env
    sed -i '/^AUTH0_MNG_TOKEN=/d' tenant.env # by client credentials, so that a 401 can be cured
    if [ "$protocol" = h2 ]; then
        terminate_tls "$(sed -n 's/^AUTH0_DOMAIN=.*:\([0-9]*\)$/\1/p' tenant.env)"
        pids="$tenant $proxy"
        sed -i "s/^AUTH0_DOMAIN=.*/AUTH0_DOMAIN=localhost:$port/" tenant.env
        flags=(--cacert "$directory/cert.pem" --audience "https://localhost:$port/api/v2/")
    fi
    # Before its first write a run may be turned away as well (3): that is another try, too.
    while { [ $code = 5 ] || [ $code = 3 ]; } && [ $rounds -lt 25 ]; do
        "$ONRAMP_BINARY" upload --env-file tenant.env "${flags[@]}" --timeout 2 --no-progress \
            --ledger ledger.ndjson "$directory/users.ndjson" >>upload.log 2>&1
        code=$?
        rounds=$((rounds + 1))
    done
    if [ "$protocol" = h2 ]; then
        kill "$proxy"
        wait "$proxy"
        [ "$(cut -d' ' -f1 access.log | sort -u)" = h2 ] || fail "$protocol $*: not over HTTP/2"
    fi
    kill "$tenant"
    wait "$tenant"
    pids=''
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
            trap 'for pid in $pids; do kill $pid 2>/dev/null; done; wait' EXIT
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
