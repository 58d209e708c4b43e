#!/usr/bin/env bash
# 300 users over TLS and HTTP/2, through a real terminator (nghttpx): on one connection, all created, none throttled,
# and ledger and tenant agree user by user.
set -eu
command -v nghttpx >/dev/null && command -v openssl >/dev/null && command -v jq >/dev/null || exit 77
users=${ONRAMP_TEST_DATA:?}/users-300.ndjson.gz
. "$ONRAMP_TEST_DATA/../servers.sh"

# A plan that takes seconds, not minutes; what differs between plans is proven in virtual time.
start_tenant --tier private-100 --latency 100 --users-out users.ndjson
start_proxy
"$ONRAMP_BINARY" upload --json --ledger ledger.ndjson --log-level warn "$users" >summary.json \
    2>upload.log || fail "upload ended with $?"
jq -e '.records == 300 and .created == 300 and .throttled == 0 and .exit == 0' summary.json >/dev/null ||
    fail "the summary says $(cat summary.json)"
stop_servers

connections=$(cut -d' ' -f1 access.log | sort -u | wc -l)
protocols=$(cut -d' ' -f2 access.log | sort -u | tr '\n' ' ')
[ "$connections" -eq 1 ] && [ "$protocols" = 'h2 ' ] || fail "$connections connections, $protocols"

jq -r 'select(.outcome == "created") | "\(.email | ascii_downcase) \(.user_id)"' ledger.ndjson | sort >of-ledger
jq -r '"\(.email) \(.user_id)"' users.ndjson | sort >of-tenant
[ "$(grep -c '' of-tenant)" = 300 ] && cmp of-ledger of-tenant || fail "ledger and tenant differ"
echo "http2: 300 created on one connection over h2, $(jq -c '{throttled,least_remaining,seconds}' summary.json)"
