#!/usr/bin/env bash
# 300 users over TLS and HTTP/2, through a real terminator (nghttpx): on one connection, all created, none throttled,
# and ledger and tenant agree user by user.
set -eu
command -v nghttpx >/dev/null && command -v openssl >/dev/null && command -v jq >/dev/null || exit 77
: "${ONRAMP_BINARY:?}" "${ONRAMP_TEST_DATA:?}"
directory=$(mktemp -d)
tenant='' proxy=''
finish() {
    for pid in $proxy $tenant; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$directory"
}
trap finish EXIT
cd "$directory"
unset https_proxy HTTPS_PROXY

fail() {
    echo "http2: $*"
    tail -n 20 ./*.log
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

# A plan that takes seconds, not minutes; what differs between plans is proven in virtual time.
"$ONRAMP_BINARY" tenant --tier private-100 --latency 100 --quiet --write-env tenant.env --users-out users.ndjson \
    >tenant.log 2>&1 &
tenant=$!
await tenant.env
backend=$(sed -n 's/^AUTH0_DOMAIN=.*:\([0-9]*\)$/\1/p' tenant.env)

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout key.pem -out cert.pem 2>openssl.log

# nghttpx wants a port by number: one that was free a moment ago, and another if somebody else was quicker.
for _ in $(seq 20); do
    port=$((20000 + RANDOM % 20000))
    nghttpx --conf=/dev/null --frontend="127.0.0.1,$port" --backend="127.0.0.1,$backend" --workers=1 \
        --accesslog-file="$directory/access.log" --accesslog-format='$remote_port $alpn $status' \
        key.pem cert.pem >proxy.log 2>&1 &
    proxy=$!
    for _ in $(seq 100); do
        kill -0 "$proxy" 2>/dev/null || break
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break 2
        sleep 0.1
    done
    wait "$proxy" || true
    proxy=''
done
[ -n "$proxy" ] || fail "nghttpx did not start"

sed -i "s/^AUTH0_DOMAIN=.*/AUTH0_DOMAIN=localhost:$port/" tenant.env
"$ONRAMP_BINARY" upload --env-file tenant.env --cacert cert.pem --audience "https://localhost:$port/api/v2/" --json \
    --ledger ledger.ndjson --log-level warn "$ONRAMP_TEST_DATA/users-300.ndjson.gz" >summary.json 2>upload.log ||
    fail "upload ended with $?"

jq -e '.records == 300 and .created == 300 and .throttled == 0 and .exit == 0' summary.json >/dev/null ||
    fail "the summary says $(cat summary.json)"

kill "$proxy"
wait "$proxy" || true
proxy=''
connections=$(cut -d' ' -f1 access.log | sort -u | wc -l)
protocols=$(cut -d' ' -f2 access.log | sort -u | tr '\n' ' ')
[ "$connections" = 1 ] && [ "$protocols" = 'h2 ' ] || fail "$connections connections, $protocols"

kill "$tenant"
wait "$tenant" || true
tenant=''
jq -r 'select(.outcome == "created") | "\(.email | ascii_downcase) \(.user_id)"' ledger.ndjson | sort >of-ledger
jq -r '"\(.email) \(.user_id)"' users.ndjson | sort >of-tenant
[ "$(wc -l <of-tenant)" = 300 ] && cmp of-ledger of-tenant || fail "ledger and tenant differ"
echo "http2: 300 created on $connections connection over ${protocols% }, $(jq -c '{throttled,least_remaining,seconds}' summary.json)"
