#!/usr/bin/env bash
# What comes after the creates, with the real binary over real sockets: roles, organization, links, mails, verify, undo;
# killed, interrupted, asked for nonsense.
set -eu
command -v jq >/dev/null && command -v curl >/dev/null || exit 77
. "$(dirname "$0")/../support/servers.sh"
value() { jq -r "$1" out; }
is() { [ "$(value "$1")" = "$2" ] || fail "$1 is $(value "$1"), not $2"; }
asked() { grep -c "$1" tenant.log || true; }

start_tenant --latency 0 --api 500@500/s --users-out users.out
for i in $(seq 30); do echo "{\"email\":\"user$i@example.com\"}"; done >users.json
ledger=users.json.ledger.ndjson

# Nonsense is told before anything is sent.
onramp 2 invite "$ledger" --by email
says err "there is no ledger '$ledger'"
onramp 2 upload users.json --links links.csv
says err 'links and mails go with --invite'
onramp 2 upload users.json --invite ticket
says err 'give --links FILE'
onramp 2 upload users.json --role Admin
says err "'Admin' is not the id of a role"
onramp 2 upload users.json --invite email
says err '30 mails were not confirmed, nothing was sent'
[ "$(asked 'POST /api/v2/users')" -eq 0 ] || fail 'something was sent'

# An upload with everything behind it.
onramp 0 upload users.json --json --role rol_AAAAAAAAAAAAAAAA --role rol_BBBBBBBBBBBBBBBB \
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
onramp 0 upload users.json --json --role rol_AAAAAAAAAAAAAAAA --role rol_BBBBBBBBBBBBBBBB \
    --organization org_CCCCCCCCCCCCCCCC --invite ticket --links links.csv
is .requests 0
onramp 0 invite "$ledger" --by ticket --links links.csv --json
is .before 30
is .requests 0
onramp 2 invite "$ledger" --by ticket --links users.json
says err "'users.json' is no file of links"

# Mails: only when wanted, interrupted and killed without a second one to anybody.
onramp 2 invite "$ledger" --by email
says err '30 mails were not confirmed'
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
says out 'not sent'
says out 'Interrupted: run the same command again'
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
onramp 0 invite "$ledger" --by email --again --yes --json

# Verify finds who was deleted by somebody else.
ln -s "$ledger" $'l\xff' # no name has to be UTF-8
onramp 0 verify $'l\xff' --json
[ "$(value .ledger)" = $'l\xef\xbf\xbd' ] || fail "a ledger's name is told as $(value .ledger)"
onramp 0 verify "$ledger" --json
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
onramp 1 verify "$ledger"
says out 'missing: record 6, user7@example.com'
[ "$(wc -c <"$ledger")" -eq "$size" ] || fail 'verify wrote into the ledger'

onramp 1 upload users.json --organization org_DDDDDDDDDDDDDDDD
says err "record 6, $id: refused: One or more of the users do not exist."
says out 'what was to follow could not be done for everybody'

# Undo shows, then deletes; an upload creates them again.
onramp 0 undo "$ledger"
says out 'Nothing was deleted'
[ "$(asked DELETE)" -eq 1 ] || fail 'a dry undo deleted'
onramp 0 undo "$ledger" --yes --json
cp out undone.json
onramp 0 report "$ledger"
says out ', without those that were undone'
cp undone.json out
is .deleted 29
is .gone 1
onramp 0 undo "$ledger" --yes --json
is .users 0
is .requests 0
onramp 0 upload users.json --json
is .created 30
onramp 0 verify "$ledger" --json
is .there 30

# Credentials that are refused, and a tenant that is not there.
sed 's/^AUTH0_CLIENT_SECRET=.*/AUTH0_CLIENT_SECRET=wrong/; /^AUTH0_MNG_TOKEN=/d' .env >wrong.env
onramp 4 verify "$ledger" --env-file wrong.env
stop_servers
tenant=''
onramp 5 verify "$ledger" --give-up-after 1
[ "$(wc -l <users.out)" -eq 30 ] || fail "the tenant has $(wc -l <users.out) users"
