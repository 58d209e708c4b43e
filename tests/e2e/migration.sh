#!/usr/bin/env bash
# docs/migration.md, typed as it stands: every "$ onramp …" line is run, and its exit code compared with the page's.
set -eu
command -v jq >/dev/null || exit 77
page=${ONRAMP_TEST_DATA:?}/../../../docs/migration.md
. "$ONRAMP_TEST_DATA/../servers.sh"
mkdir bin
ln -s "$ONRAMP_BINARY" bin/onramp
PATH=$directory/bin:$PATH

sed -n '/^```json$/,/^```$/p' "$page" | sed '1d;$d' >users.json
jq -e 'length == 4' users.json >/dev/null || fail "the page's users.json is not what it says"

start=$(grep -m 1 '^onramp tenant ' "$page")
bash -c "exec $start --quiet --latency 20 --users-out all.ndjson" >tenant.log 2>&1 &
tenant=$!
await .env

lines=0
while IFS= read -r line; do
    command=${line%%#*}
    wanted=${line##*# exit }
    lines=$((lines + 1))
    code=0
    bash -c "${command#\$ }" >>commands.log 2>&1 </dev/null || code=$?
    [ "$code" = "$wanted" ] || fail "'${command#\$ }' ended with $code, and the page says $wanted"
done < <(grep '^\$ onramp ' "$page")
[ "$lines" -ge 10 ] || fail "only $lines commands on the page"

[ "$(grep -c '' links.csv)" = 3 ] || fail "links.csv should have a heading and two users: $(grep -c '' links.csv) lines"
[ "$(stat -c %a links.csv 2>/dev/null || stat -f %Lp links.csv)" = 600 ] || fail "links.csv can be read by others"
[ "$(jq -r .email rest.json | tr '\n' ' ')" = 'Ann@example.com cy@example.com ' ] || fail "rest.json: $(cat rest.json)"
stop_servers
[ ! -s all.ndjson ] || fail "undo left users behind: $(cat all.ndjson)"
echo "migration: $lines commands as on the page"
