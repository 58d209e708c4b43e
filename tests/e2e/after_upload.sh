#!/usr/bin/env bash
# After an upload that did not go well: the report says why, retry writes out what is left, and that, edited, goes well. And a plan, before and after.
set -eu
command -v jq >/dev/null || exit 77
. "$(dirname "$0")/../support/servers.sh"

start_tenant --tier private-100 --latency 20 # a create that takes no millisecond has no time to report

# Numbers and escapes must come out as they went in; white space need not.
cat >users.json <<'J'
[
  {"email": "ann@x.example"},
  {"email": "not an address"},
  {"email": "bob@x.example", "user_metadata": {"n": 1.10, "é": "\u00e9 \/"}, "shoe size": 44},
  {"email": "ANN@x.example"},
  {"email": "cy@x.example"},
  {"email": "worse address"}
]
J
onramp 1 upload users.json --no-progress
ledger=users.json.ledger.ndjson

onramp 0 report "$ledger"
says out '6 records in users.json.ledger.ndjson: users.json to 127.0.0.1:'
says out "2  'email' is not an address like name@example.com: '…' has a space"
says out 'correct the addresses, then upload the file again'
if grep -q 'x.example' out; then fail 'a report names people'; fi
onramp 0 report --json "$ledger"
jq -e '.records == 6 and .created == 2 and .invalid == 3 and .duplicate == 1 and .attempts == {total: 2, most: 1}
       and .ms.count == 2 and .requests > 2 and .throttled == 0 and (.causes | length) == 3
       and .causes[0].count == 2 and .causes[0].first_record == 1
       and .runs[0].reason == "finished" and .runs[0].limit.burst == 50' out >json.out || fail "--json: $(cat out)"
onramp 0 report --csv "$ledger"
says out '0,ann@x.example,created,1,201,,,auth0|'
[ "$(wc -l <out)" = 7 ] || fail "--csv has $(wc -l <out) lines"
ONRAMP_LEDGER=$ledger onramp 0 report
onramp 0 report --html page.html "$ledger"
[ ! -s out ] || fail '--html writes to standard output'
says page.html '<title>onramp: users.json.ledger.ndjson</title>'
onramp 0 report --html page.html --csv "$ledger"
says out '0,ann@x.example,created,1,201'
onramp 2 report --html /dev/full "$ledger"
says err "cannot write '/dev/full': No space left on device"
onramp 2 report --html nowhere/page.html "$ledger"
onramp 2 report --html "./$ledger" "$ledger"
says err 'is the ledger itself'
onramp 2 report --json --csv "$ledger"
says err '--json and --csv both want standard output'
onramp 2 report users.json
says err 'is not an onramp ledger'
onramp 2 report
says err 'no ledger: give one'

# The limits that this run has learned are enough for a plan. Nothing is sent: the tenant is not even named.
onramp 1 plan users.json --ledger "$ledger" --json
jq -e '.records == 6 and .to_send == 2 and .invalid == 3 and .duplicate == 1 and .mails == 0
       and .plans[0].tenant == "seen" and .plans[0].limit.burst == 50 and .plans[0].seconds > 0.4
       and (.plans[0].course | last | .created) >= 1' out >json.out || fail "plan --ledger: $(cat out)"
onramp 1 plan users.json --verification-mail yes
says out '6 records of users.json: 2 to send, 3 invalid, 1 duplicate; 2 verification mails'
says out 'correct the addresses, then upload the file again'
for tier in free enterprise private-10000; do says out "$tier"; done
onramp 1 plan users.json --all-tiers --json
jq -e '(.plans | length) == 12 and all(.plans[]; .throttled == 0 and .requests == 4)
       and .plans[0].seconds > .plans[3].seconds' out >json.out || fail "plan --all-tiers: $(cat out)"
onramp 1 plan users.json --tier enterprise --round-trip 100
says out 'tenant       enterprise: 50 creates at once, then 16/s'
says out 'and 100 ms on the way'
onramp 1 plan users.json --rate 1/s --json
jq -e '.plans[0] | .tenant == "ceiling" and .limit == null and .least_remaining == null and .seconds > 1' \
    out >json.out || fail "plan --rate: $(cat out)"

# Who waits for the tenant, and who for --concurrency?
jq -n '[range(100) | {email: "u\(.)@x.example"}]' >hundred.json
onramp 0 plan hundred.json --tier private-500 --concurrency 4
says out 's of it held back by --concurrency, not by the tenant'
onramp 0 plan hundred.json --tier essentials --concurrency 4
! grep -q 'held back' out || fail "the tenant held it back: $(cat out)"
onramp 0 plan hundred.json --concurrency 4
[[ $(grep ' \*$' out | grep -c private-500) -eq 1 && $(grep -c 'essentials.* \*$' out) -eq 0 ]] ||
    fail "marks: $(cat out)"
says out '* held back by --concurrency, not by the tenant'
printf '{"email":"a@x.example"}\n' | onramp 0 plan - --tier free
says out '1 record of standard input'
onramp 3 plan .env --tier free
onramp 3 plan users.json --tier free --max-users 5
onramp 2 plan nobody.json --tier free
onramp 2 plan users.json --burst 5
onramp 2 plan users.json --ledger "$ledger" --all-tiers
head -n 1 "$ledger" >begun.ndjson
onramp 2 plan users.json --ledger begun.ndjson
says err 'tells of no limit'
cat >hand.ndjson <<'J'
{"type":"run","version":1,"run":"r","at":"2026-01-01T00:00:00.000Z","onramp":"1.0.0","input":{"path":"users.json","sha256":"0","records":6},"domain":"x.example","connection":"c","settings":{}}
{"type":"end","run":"r","at":"2026-01-01T00:00:01.000Z","reason":"finished","limit_burst":50,"limit_per_second":1e300}
J
onramp 1 plan users.json --ledger hand.ndjson # by hand, and no number of requests
says out '50 creates at once, then 1e+04/s'
onramp 2 plan users.json --ledger nobody.ndjson
says err 'cannot open ledger'

# Reports can be made of a ledger that a run is writing, torn as it is then.
head -c -20 "$ledger" >torn.ndjson
onramp 0 report torn.ndjson
says out 'did not end by itself'
says err 'ends in half a line'

onramp 0 retry "$ledger" users.json
says err 'onramp: 4 of 6 records: 3 invalid, 1 duplicate'
cat >want <<'J'
{"email":"not an address"}
{"email":"bob@x.example","user_metadata":{"n":1.10,"é":"\u00e9 \/"},"shoe size":44}
{"email":"ANN@x.example"}
{"email":"worse address"}
J
cmp want out || fail 'retry changed a record'
onramp 0 retry --quiet "$ledger" - <users.json
[ ! -s err ] || fail "--quiet is not: $(cat err)"
cmp want out || fail 'standard input is another file'

# Standard output that takes no more is an error, full or closed.
code=0
"$ONRAMP_BINARY" retry "$ledger" users.json >/dev/full 2>err || code=$?
[ "$code" = 5 ] || fail "a full disk ends with $code"
says err 'cannot write to standard output: '
if grep -q 'of 6 records' err; then fail 'what was not written was counted'; fi
for table in 'report --csv' 'report --json' report; do
    code=0
    # shellcheck disable=SC2086 # two words
    "$ONRAMP_BINARY" $table "$ledger" >/dev/full 2>err || code=$?
    [ "$code" = 5 ] || fail "a full disk ends $table with $code"
done

# Mistakes.
onramp 2 retry "$ledger"
says err 'no file of users'
onramp 2 retry "$ledger" nobody.json
says err "there is no file 'nobody.json'"
onramp 3 retry "$ledger" .env
onramp 2 retry nobody.ndjson users.json
printf '{"email":"new@x.example"}\n' >other.ndjson
onramp 0 retry "$ledger" other.ndjson
says err "the ledger has none of these records: is 'other.ndjson' the file that it is about, 'users.json'?"
cmp other.ndjson out || fail 'what the ledger has nothing about did not end well'

# A run that was killed: who is open may be there.
sed '/"outcome":"created"/,$d' "$ledger" >killed.ndjson
onramp 0 retry killed.ndjson users.json
says err ' open'
says err 'may be in the tenant already'

# Edited, what retry wrote goes well.
onramp 0 retry "$ledger" users.json
sed 's/not an address/dee@x.example/; s/,"shoe size":44//; s/ANN@/eve@/; s/worse address/flo@x.example/' out >again.ndjson
onramp 0 upload again.ndjson --no-progress
onramp 0 retry again.ndjson.ledger.ndjson again.ndjson
says err '0 of 4 records'
[ ! -s out ] || fail 'nothing was left'

# Corrected in the file itself: nothing more is said of what is right now, and a dry run tells why the rest is not.
sed 's/not an address/gil@x.example/; s/ANN@/hal@/' users.json >edited && mv edited users.json
onramp 1 upload users.json --dry-run
says out "  invalid: record 5, worse address: 'email' is not an address"
onramp 1 upload users.json --no-progress
says out "  invalid: record 5, worse address: 'email' is not an address"
if grep -q -e 'not an address'\'' has' -e 'duplicate' out; then fail 'the summary tells of records that were corrected'; fi
