#!/usr/bin/env bash
# onramp tenant as a command: what it prints and writes, what its flags do to answers, and how it says no.
set -u

command -v curl >/dev/null || { echo "skipped: the curl command is not installed"; exit 77; }
. "$(dirname "$0")/../support/servers.sh"

# start FLAGS…: runs a tenant, waits for its .env and reads it.
start() {
    rm -f env
    "$ONRAMP_BINARY" tenant --write-env env --latency 0 "$@" >out 2>err &
    tenant=$!
    for _ in $(seq 400); do
        [ -f env ] && break
        kill -0 "$tenant" 2>/dev/null || fail "tenant $* does not start"
        sleep 0.05
    done
    [ -f env ] || fail "tenant $* writes no .env"
    unset ONRAMP_CACERT
    . ./env
}

# stop [SIGNAL [CODE]]
stop() {
    local code=0
    kill -"${1:-INT}" "$tenant"
    wait "$tenant" || code=$?
    [ "$code" = "${2:-0}" ] || fail "tenant ends with exit code $code"
    tenant=
}

# call METHOD PATH [BODY]: status on the first line, then headers and body, in $answer.
call() {
    local base=$AUTH0_DOMAIN
    case $base in http://*) ;; *) base=https://$base ;; esac
    local data=()
    [ $# -ge 3 ] && data=(-H 'Content-Type: application/json' --data-binary "$3")
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "$AUTH0_MNG_TOKEN" |
        curl -sS -i --noproxy '*' --max-time 20 -K - ${ONRAMP_CACERT:+--cacert "$ONRAMP_CACERT"} -X "$1" "${data[@]}" \
            "$base$2" 2>&1 | tr -d '\r')
    status=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$answer")
}

user() {
    printf '{"connection":"%s","email":"%s","password":"Xk7!mq2#Wz9$pL","verify_email":false}' "$AUTH0_DATABASE_NAME" "$1"
}

expect() {
    [ "$status" = "$1" ] || fail "expected $1, got: $answer"
    [ $# -lt 2 ] || grep -qi -- "$2" <<<"$answer" || fail "expected '$2' in: $answer"
}

# The whole road over HTTPS, with a connection whose name has a space.
start --tls --connection 'Staff accounts' --users-out users.ndjson --tier professional
[ "$(stat -c %a env)" = 600 ] || fail "the .env is not private"
[ "$ONRAMP_CACERT" = "$directory/onramp-tenant-ca.pem" ] || fail "the certificate is not where the .env says"
grep -q 'creates: 20 at once, then 200/min' out || fail "the limit is not announced"
grep -q "^AUTH0_DOMAIN=$AUTH0_DOMAIN\$" out || fail "the domain is not printed"
call POST /api/v2/users "$(user Ann@Example.com)"
expect 201 '^x-ratelimit-remaining: 19$'
call GET '/api/v2/users-by-email?email=ann%40example.com'
expect 200 '"connection":"Staff accounts"'
stop INT
grep -q '^# 1 users: 1 created, 0 deleted; 2 requests, 0 refused with 429; 0 mails, 0 tickets$' out || fail "no figures"
grep -q '^POST /api/v2/users 201 remaining 19$' err || fail "no line for the request"
[ "$(grep -c ann@example.com users.ndjson)" = 1 ] || fail "the users are not written"
[ "$(stat -c %a users.ndjson)" = 600 ] || fail "the users are readable by all"
grep -q "$AUTH0_MNG_TOKEN" err && fail "the token is in the log"

# Stated buckets, quiet; SIGTERM.
start --quiet --api none --create 1@1/min,window --refusal both --rivals 10
call POST /api/v2/users "$(user a@example.com)"
expect 201 '^x-ratelimit-limit: 1$'
call POST /api/v2/users "$(user b@example.com)"
case $status in
201) ;; # a minute may have begun just now
429) expect 429 '^retry-after: [0-9]*$' ;;
*) fail "expected 429, got: $answer" ;;
esac
call GET '/api/v2/connections'
expect 200
grep -qi x-ratelimit <<<"$answer" && fail "a limit is told where there is none"
stop TERM
[ -s err ] && fail "not quiet"
grep -q '^# competing calls: ' out || fail "no rivals in the figures"

# Awkward tenants.
start --client-disabled --no-headers --policy excellent --quiet
call POST /api/v2/users "$(user a@example.com)"
expect 400 'Connection must be enabled for this client'
call GET '/api/v2/connections?strategy=auth0'
expect 200 '"passwordPolicy":"excellent"'
stop
start --quiet --scopes 'read:users' --options '{"requires_username":true}'
call POST /api/v2/users "$(user a@example.com)"
expect 403 'Insufficient scope, expected any of: create:users'
stop
start --quiet --fault unavailable=1 --no-date
call POST /api/v2/users "$(user a@example.com)"
expect 503
grep -qi '^date:' <<<"$answer" && fail "a Date where none was wanted"
stop
start --quiet --token-seconds 1 --strategy sms
call POST /api/v2/users '{"connection":"Username-Password-Authentication","phone_number":"+4930123"}'
case $status in
201) expect 201 '"user_id":"sms|' ;;
*) expect 401 'Expired token' ;; # a slow machine
esac
stop

# Users that the disk does not take: the figures are there, and the exit code says that the file is not.
start --quiet --users-out /dev/full
call POST /api/v2/users "$(user a@example.com)"
expect 201
stop INT 5
grep -q '^# 1 users: 1 created' out || fail "no figures"
[ "$(cat err)" = "onramp: cannot write all users to '/dev/full': No space left on device" ] || fail "said: $(cat err)"

# Refusals: the flags, and a piece of the one line that each gets.
refused=0
while IFS='|' read -r flags words; do
    eval "set -- $flags"
    timeout 20 "$ONRAMP_BINARY" tenant "$@" >out 2>err
    code=$?
    [ "$code" = 2 ] || fail "tenant $flags: exit code $code"
    [ "$(wc -l <err)" = 1 ] || fail "tenant $flags: not one line"
    grep -qF -- "$words" err || fail "tenant $flags: expected '$words'"
    refused=$((refused + 1))
done <<'LIST'
--port 70000|'70000' is not a whole number from 0 to 65535
--tier gold|'gold' is not one of free, essentials
--api 50|'50' is not a bucket like 50@16/s
--api 50@16/h|'50@16/h' is not a bucket like
--api 50@16/s,drip|is not a bucket like
--create 0@1/s|is not a bucket like
--fault lose|'lose' is not KIND=PROBABILITY
--fault lose=2|'lose=2' is not KIND=PROBABILITY
--fault loose=0.5|one of drop, lose, truncate
--fault lose=0.6 --fault drop=0.6|add up to more than 1
--policy strong|'strong' is not one of none, low, fair, good, excellent
--options '[]'|options are not a JSON object
--options '{"passwordPolicy":"strong"}'|unknown passwordPolicy
--options '{}' --policy low|--policy and --options exclude each other
--cert x --key y|are of use with --tls only
--tls --cert x|--cert and --key belong together
--tls --cert /nonexistent --key /nonexistent|cannot read '/nonexistent'
--tls --cert /nonexistent --key /nonexistent --ca-out x|--ca-out is for the certificate that is made
--tls --ca-out /nonexistent/ca.pem|cannot write '/nonexistent/ca.pem'
--users-out /nonexistent/users|cannot write '/nonexistent/users'
--write-env /nonexistent/env|cannot write '/nonexistent/env.part'
--connection "it's"|neither quotes nor line breaks
--reset never|is not one of full, next, zero, delta, millis
--refusal loud|is not one of limits, retry-after
--initial 101|'101' is not a whole number from 0 to 100
--token-seconds 0|'0' is not a whole number from 1 to
users.json|one argument too many
LIST
[ "$refused" = 27 ] || fail "only $refused refusals were tried"

# A port that is taken.
start --quiet
port=${AUTH0_DOMAIN##*:}
timeout 20 "$ONRAMP_BINARY" tenant --port "$port" >out2 2>err2
[ $? = 2 ] && grep -q "cannot serve on 127.0.0.1 port $port: Address already in use" err2 || fail "a taken port: $(cat err2)"
stop
echo "onramp tenant does what it says"
