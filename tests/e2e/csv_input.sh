#!/usr/bin/env bash
# The table of docs/input.md, uploaded: the tenant has the users that the page says.
set -u

command -v jq >/dev/null || { echo "skipped: jq is not installed"; exit 77; }
docs=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../docs/input.md
. "$(dirname "$0")/../support/servers.sh"

block() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$docs" | sed '1d;$d'; }
block csv >users.csv
block json >expected
[ -s users.csv ] && [ -s expected ] || fail "the page has lost its example"

start_tenant --latency 0 --users-out list

# Once as a spreadsheet on Windows saves it, marked and packed: the content is what counts, and it is the same users.
{ printf '\xef\xbb\xbf'; sed 's/$/\r/' users.csv; } | gzip >packed
"$ONRAMP_BINARY" upload --dry-run packed >dry.out 2>dry.err || fail "the packed table is not taken"
grep -q '^3 records' dry.out || fail "the packed table has other records"

"$ONRAMP_BINARY" upload users.csv --json >summary 2>upload.err || fail "the upload ends with exit code $?"
[ "$(jq .created summary)" = 3 ] || fail "not every row was created"

stop_servers
jq -c -s 'sort_by(.email)[] | {email, given_name, family_name, email_verified, user_metadata, app_metadata}' list >users
diff expected users || fail "the tenant has other users than the page says"

# A row gone wrong is found before anything is sent.
sed '3s/$/;x/' users.csv >ragged.csv
"$ONRAMP_BINARY" upload ragged.csv >ragged.out 2>ragged.err
[ $? -eq 3 ] || fail "a ragged row does not end with exit code 3"
grep -q "ragged.csv', line 3, column 1: the row that begins here has 9 cells" ragged.err || fail "its place is not named"
