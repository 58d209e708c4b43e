#!/usr/bin/env bash
# keygen, upload --seal-to and open as commands: what is kept is what the users have, and nobody else can read it.
set -u

command -v jq >/dev/null || { echo "skipped: jq is not installed"; exit 77; }
. "$(dirname "$0")/../support/servers.sh"

# ---- keys ----

echo 'correct horse' >phrase
onramp 0 keygen --passphrase-file phrase
[ "$(cat onramp.key.pub)" = "$(cat out)" ] || fail "the public key's file is not what was printed"
[ "$(stat -c %a onramp.key)" = 600 ] || fail "others may read the secret key"
grep -q 'kdf argon2id13' onramp.key || fail "the secret key is not encrypted"
onramp 2 keygen --passphrase-file phrase
says err "'onramp.key' is there already, and is not overwritten"
echo >empty
onramp 2 keygen --out other.key --passphrase-file empty
says err 'the passphrase is empty'
[ ! -e other.key ] || fail "a failed keygen leaves a key behind"
onramp 0 keygen --out plain.key --no-passphrase
public=$(cat out)
setsid "$ONRAMP_BINARY" keygen --out third.key >out 2>err </dev/null && fail "a passphrase from nowhere"
says err 'no terminal to ask for the passphrase'

# All of it or nothing: who was not told the public key, or has it in no file, has no secret key either.
code=0
"$ONRAMP_BINARY" keygen --out untold.key --no-passphrase >/dev/full 2>err || code=$?
[ "$code" = 2 ] || fail "keygen that cannot tell the public key ends with $code"
[ "$(cat err)" = 'onramp: no key pair was made: cannot write to standard output: No space left on device' ] ||
    fail "another line was expected"
[ ! -e untold.key ] && [ ! -e untold.key.pub ] || fail "a key is left that nobody was told of"
onramp 0 keygen --out untold.key --no-passphrase
long=$(printf '%0252d' 0) # there is no room for .pub behind it
onramp 2 keygen --out "$long" --no-passphrase
says err 'File name too long'
[ ! -e "$long" ] || fail "a secret key is left without its public one"

# ---- a tenant, and users ----

start_tenant --latency 0
for n in 1 2 3; do echo "{\"email\":\"User$n@example.com\"}"; done >users.json

onramp 2 upload users.json --seal-to "${public%?}"
says err 'is no public key: a character is wrong or missing'
onramp 2 upload users.json --seal-to onramp.key
says err 'holds no public key'
onramp 2 upload users.json --sealed x
says err '--sealed needs a key'
onramp 2 upload users.json --seal-to "$public" --sealed users.json
says err 'holds something else than sealed passwords'
onramp 0 upload --dry-run users.json --seal-to "$public"
[ ! -e users.json.sealed.ndjson ] || fail "a dry run seals"

onramp 0 upload users.json --seal-to plain.key.pub --password-length 40
says out '  passwords    users.json.sealed.ndjson'
[ "$(stat -c %a users.json.sealed.ndjson)" = 600 ] || fail "others may read the sealed passwords"
[ "$(wc -l <users.json.sealed.ndjson)" = 3 ] || fail "not one line for each user"

# ---- opening ----

open() { local code=$1; shift; onramp "$code" open users.json.sealed.ndjson --key plain.key "$@"; }
open 0 --ledger users.json.ledger.ndjson --json
[ "$(jq -r 'select(.certain) | .email' out | tr '\n' ' ')" = 'User1@example.com User2@example.com User3@example.com ' ] ||
    fail "not every password is there and certain"
[ "$(jq -r '.password | length' out | sort -u)" = 40 ] || fail "these are other passwords"
[ "$(jq -r .password out | sort -u | wc -l)" = 3 ] || fail "users share a password"
for password in $(jq -r .password out); do
    grep -rqF -- "$password" users.json.ledger.ndjson users.json.sealed.ndjson tenant.log && fail "a password in the clear"
done
jq -r '"auth0|" + .user_id' out | sort >opened
jq -r 'select(.type == "outcome") | .user_id' users.json.ledger.ndjson | sort | diff - opened || fail "other users"

one=$(jq -r 'select(.email == "User2@example.com") | .password' out)
open 0 --ledger users.json.ledger.ndjson --user user2@EXAMPLE.com
[ "$(wc -l <out)" = 2 ] || fail "--user lists others"
sed -n 2p out | grep -qF -- "\"$(sed 's/"/""/g' <<<"$one")\",\"yes\"" || fail "--user has another password"
open 1 --ledger users.json.ledger.ndjson --user nobody@example.com
says err 'no password of this user'
open 0
says err 'without --ledger nobody can tell which of these users were created'

# Standard output takes no more, by the fault of a disk or since its reader is gone: one line that says so.
unread() { # WHY: of descriptor 8
    local code=0
    "$ONRAMP_BINARY" open users.json.sealed.ndjson --key plain.key --user user1@example.com >&8 2>err || code=$?
    [ "$code" = 5 ] || fail "an output that takes no more ends with $code"
    [ "$(cat err)" = "onramp: cannot write to standard output: $1" ] || fail "another line was expected"
}
exec 8>/dev/full
unread 'No space left on device'
mkfifo pipe
exec 9<>pipe 8>pipe 9<&-
unread 'Broken pipe'
exec 8>&-

onramp 2 open users.json.sealed.ndjson --key nowhere.key
says err "there is no key file 'nowhere.key'"
onramp 2 open users.json.sealed.ndjson --key users.json
says err "'users.json' is no key file"
onramp 3 open users.json --key plain.key
says err "'users.json' is no file of sealed passwords"
[ ! -s out ] || fail 'there is a heading, and nothing that could stand below it'
onramp 2 open nowhere.ndjson # before anybody is asked for a passphrase
says err "there is no file 'nowhere.ndjson'"

# ---- tampered with ----

cp users.json.sealed.ndjson kept
sed -i '2s/"email":"User2@/"email":"User9@/' users.json.sealed.ndjson
open 1 --ledger users.json.ledger.ndjson --json
says err "line 2: altered"
[ "$(jq -r .email out | tr '\n' ' ')" = 'User1@example.com User3@example.com ' ] || fail "the other lines are not opened"
box() { jq -r "select(.record == $1) | .box" kept; }
awk -v a="$(box 0)" -v b="$(box 1)" '{ i = index($0, a); print i ? substr($0, 1, i - 1) b substr($0, i + length(a)) : $0 }' \
    kept >users.json.sealed.ndjson
open 1 --ledger users.json.ledger.ndjson
says err "line 1: altered" # a box under another's name
{ sed -n 1p kept; echo nonsense; sed -n 3p kept; } >users.json.sealed.ndjson
open 1 --ledger users.json.ledger.ndjson
says err "line 2: damaged"

# ---- another run with another key adds to the same file; half a line from a crash does not stop it ----

{ cat kept; printf '{"type":"sealed","version":1,"run":"x'; } >users.json.sealed.ndjson
echo '{"email":"late@example.com"}' >>users.json
onramp 0 upload users.json --seal-to onramp.key.pub
[ "$(wc -l <users.json.sealed.ndjson)" = 4 ] || fail "half a line is still there, or settled users were sealed again"
onramp 1 open users.json.sealed.ndjson --passphrase-file phrase --ledger users.json.ledger.ndjson --json
says err "'users.json.sealed.ndjson', line 1: sealed to another key than this one"
[ "$(jq -r 'select(.certain) | .email' out)" = late@example.com ] || fail "the new user's password is not there"
echo 'wrong horse' >wrong
onramp 2 open users.json.sealed.ndjson --passphrase-file wrong
says err "wrong passphrase for 'onramp.key'"
