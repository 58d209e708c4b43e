#!/usr/bin/env bash
# What comes after the creates, with the real binary over real sockets: roles, organization, links, mails, verify, undo;
# killed, interrupted, asked for nonsense.
set -eu
command -v jq >/dev/null && command -v curl >/dev/null || exit 77
. "$(dirname "$0")/../support/servers.sh"
run() { # EXPECTED-EXIT ARGUMENTS...: standard output to out, standard error to err
    local want=$1 code=0
    shift
    timeout 120 "$ONRAMP_BINARY" "$@" >out 2>err </dev/null || code=$?
    [ "$code" -eq "$want" ] || fail "'$*' exited $code, not $want"
}
says() { grep -qF -- "$1" "$2" || fail "$2 does not say '$1'"; }
value() { jq -r "$1" out; }
is() { [ "$(value "$1")" = "$2" ] || fail "$1 is $(value "$1"), not $2"; }
asked() { grep -c "$1" tenant.log || true; }

start_tenant --latency 0 --api 500@500/s --users-out users.out
for i in $(seq 30); do echo "{\"email\":\"user$i@example.com\"}"; done >users.json
ledger=users.json.ledger.ndjson

# Nonsense is told before anything is sent.
run 2 invite "$ledger" --by email
says "there is no ledger '$ledger'" err
run 2 upload users.json --links links.csv
says 'links and mails go with --invite' err
run 2 upload users.json --invite ticket
says 'give --links FILE' err
run 2 upload users.json --role Admin
says "'Admin' is not the id of a role" err
run 2 upload users.json --invite email
says '30 mails were not confirmed, nothing was sent' err
[ "$(asked 'POST /api/v2/users')" -eq 0 ] || fail 'something was sent'

# An upload with everything behind it.
run 0 upload users.json --json --role rol_AAAAAAAAAAAAAAAA --role rol_BBBBBBBBBBBBBBBB \
    --organization org_CCCCCCCCCCCCCCCC --invite ticket --links links.csv
is .created 30
is .roles.done 30
is .members.done 30
is .invited.done 30
is .throttled 0
[ "$(wc -l <links.csv)" -eq 31 ] || fail 'not a link for each user'
[ "$(stat -c %a links.csv 2>/dev/null || stat -f %Lp links.csv)" = 600 ] || fail 'others may read the links'
[ "$(asked /roles)" -eq 30 ] || fail 'not one call for the roles of each user'
[ "$(asked /members)" -eq 3 ] || fail 'members do not go in tens'
! grep -q reset-password "$ledger" out err || fail 'a link is where it must not be'
run 0 upload users.json --json --role rol_AAAAAAAAAAAAAAAA --role rol_BBBBBBBBBBBBBBBB \
    --organization org_CCCCCCCCCCCCCCCC --invite ticket --links links.csv
is .requests 0
run 0 invite "$ledger" --by ticket --links links.csv --json
is .before 30
is .requests 0
run 2 invite "$ledger" --by ticket --links users.json
says "'users.json' is no file of links" err

# Mails: only when wanted, interrupted and killed without a second one to anybody.
run 2 invite "$ledger" --by email
says '30 mails were not confirmed' err
"$ONRAMP_BINARY" invite "$ledger" --by email --mails-per-minute 240 --yes >out 2>err </dev/null &
invite=$!
for _ in $(seq 600); do
    [ "$(asked change_password)" -ge 4 ] && break
    sleep 0.05
done
kill -INT "$invite"
code=0
wait "$invite" || code=$?
[ "$code" -eq 130 ] || fail "interrupted, it exited $code"
says 'not sent' out
"$ONRAMP_BINARY" invite "$ledger" --by email --mails-per-minute 240 --yes >out 2>err </dev/null &
invite=$!
for _ in $(seq 600); do
    [ "$(asked change_password)" -ge 9 ] && break
    sleep 0.05
done
kill -KILL "$invite"
wait "$invite" 2>/dev/null || true
code=0
timeout 120 "$ONRAMP_BINARY" invite "$ledger" --by email --mails-per-minute 3000 --yes --json >out 2>err </dev/null || code=$?
doubtful=$(value .skipped)
[ "$doubtful" -le 1 ] && [ "$code" -eq "$doubtful" ] || fail "exit $code with $doubtful in doubt"
sent=$(asked change_password)
[ "$sent" -ge $((30 - doubtful)) ] && [ "$sent" -le 30 ] || fail "$sent mails for 30 users"
run 0 invite "$ledger" --by email --again --yes --json

# Verify finds who was deleted by somebody else.
run 0 verify "$ledger" --json
is .there 30
id=$(jq -r 'select(.email == "user7@example.com" and .outcome == "created") | .user_id' "$ledger")
domain=$(sed -n 's/^AUTH0_DOMAIN=//p' .env)
token=$(sed -n 's/^AUTH0_MNG_TOKEN=//p' .env)
if [ -z "$token" ]; then
    client=$(sed -n 's/^AUTH0_CLIENT_ID=//p' .env) secret=$(sed -n 's/^AUTH0_CLIENT_SECRET=//p' .env)
    token=$(curl -sf "$domain/oauth/token" -d grant_type=client_credentials -d "client_id=$client" \
        -d "client_secret=$secret" -d "audience=https://${domain#*//}/api/v2/" | jq -r .access_token)
fi
curl -sf -X DELETE -H "Authorization: Bearer $token" "$domain/api/v2/users/${id/|/%7C}"
size=$(wc -c <"$ledger")
run 1 verify "$ledger"
says 'missing: record 6, user7@example.com' out
[ "$(wc -c <"$ledger")" -eq "$size" ] || fail 'verify wrote into the ledger'

run 1 upload users.json --organization org_DDDDDDDDDDDDDDDD
says "record 6, $id: refused: One or more of the users do not exist." err
says 'what was to follow could not be done for everybody' out

# Undo shows, then deletes; an upload creates them again.
run 0 undo "$ledger"
says 'Nothing was deleted' out
[ "$(asked DELETE)" -eq 1 ] || fail 'a dry undo deleted'
run 0 undo "$ledger" --yes --json
is .deleted 29
is .gone 1
run 0 undo "$ledger" --yes --json
is .users 0
is .requests 0
run 0 upload users.json --json
is .created 30
run 0 verify "$ledger" --json
is .there 30

# Credentials that are refused, and a tenant that is not there.
sed 's/^AUTH0_CLIENT_SECRET=.*/AUTH0_CLIENT_SECRET=wrong/; /^AUTH0_MNG_TOKEN=/d' .env >wrong.env
run 4 verify "$ledger" --env-file wrong.env
stop_servers
tenant=''
run 5 verify "$ledger" --give-up-after 1
[ "$(wc -l <users.out)" -eq 30 ] || fail "the tenant has $(wc -l <users.out) users"
