#!/usr/bin/env bash
# onramp check against tenants in every state, and that an upload then comes to what check said.
set -eu
command -v jq >/dev/null || exit 77
. "$(dirname "$0")/../support/servers.sh"
holds() { jq -e "$1" out >/dev/null || fail "not so: $1"; }
start() { # flags of a tenant
    stop_servers
    rm -f ./*.ledger.ndjson
    start_tenant --latency 0 --users-out users-there "$@"
}
agree() { # check and upload of this file come to the same
    onramp "$1" check "$2"
    onramp "$1" upload "$2"
}

cat >good.json <<'J'
[{"email": "ann@x.example"},
 {"email": "bob@x.example", "email_verified": true}]
J
cat >mixed.ndjson <<'J'
{"email": "ann@x.example", "username": "ann"}
{"email": "bob@x.example", "username": "bob", "app_metadata": {"a.b": 1}}
{"email": "carl@x.example"}
{"email": "ann@x.example", "username": "ann2"}
{"email": "dora@x.example", "username": "a-name-that-is-much-too-long"}
J
printf 'email,name\nann@x.example,Ann\nbob,Bob\n' >people.csv
printf '[{"email": "ann@x.example"},{"email": "x"},{"email": "y"}]' >one-line.json
echo '[{"email": ' >broken.json

start
onramp 0 check
says out 'All well.'
onramp 0 check good.json
says out 'nobody gets a verification mail'
says out '2 records: 2 can be created, 0 invalid, 0 duplicate; 0 verification mails.'
onramp 0 check good.json --verification-mail yes
says out 'Auth0 would mail a link to 1 user'
onramp 1 check one-line.json
says out "'x' has no '@' (the first of 2 such records: records 1, 2)"
says out 'An upload would create the others'
onramp 1 check people.csv
says out '(line 3)'
onramp 3 check -
says out 'file standard input'
agree 3 broken.json
says err 'broken.json'
agree 0 good.json
start
agree 1 people.csv

# Client credentials: a token is fetched, for looking only.
sed -i '/^AUTH0_MNG_TOKEN/d' .env
onramp 0 check good.json
says out 'fetched, a JWT'
says out 'a fresh one is fetched before it expires'
AUTH0_CLIENT_SECRET=wrong onramp 4 check good.json
says out 'Unauthorized'

start --options '{"requires_username":true}'
onramp 1 check mixed.ndjson --json
holds '.records == 5 and .sendable == 1 and .invalid == 3 and .duplicate == 1 and .exit == 1 and .file == "mixed.ndjson"'
holds '[.findings[] | select(.severity == "refused") | .subject] | sort == ["app_metadata.a.b", "email", "username", "username"]'
holds '.findings[] | select(.subject == "app_metadata.a.b") | .count == 1 and .records == [1] and .lines == [2] and .remedy != ""'
onramp 1 upload mixed.ndjson --json
holds '.created == 1 and .invalid == 3 and .duplicate == 1 and .rejected == 0'

start --client-disabled
agree 3 good.json
says err 'is not enabled'
start --strategy google-oauth2
agree 3 good.json
start --scopes 'read:users read:connections'
agree 4 good.json
start --scopes 'create:users'
agree 0 good.json
start
agree_with_no_connection() { onramp 3 check good.json --connection none && onramp 3 upload good.json --connection none; }
agree_with_no_connection

# What is not looked at beforehand, the first create tells.
start --client-disabled
onramp 3 upload good.json --no-preflight
says err 'Connection must be enabled'

# Nothing was ever written by a check.
start
for file in good.json mixed.ndjson people.csv; do "$ONRAMP_BINARY" check "$file" >/dev/null 2>&1 || true; done
stop_servers
tenant=''
[ -f users-there ] && [ ! -s users-there ] || fail 'the tenant has users'
[ -z "$(find . -name '*.ledger.ndjson')" ] || fail 'a ledger was left'

# Usage: one line, and what would be right.
onramp 2 check none.json
says err "there is no file 'none.json'"
: >.env
onramp 2 check
says err 'no tenant: set AUTH0_DOMAIN'
onramp 2 check --dry-run
says err "there is no flag '--dry-run'"
