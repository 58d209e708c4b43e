#!/usr/bin/env bash
# Who includes what, as docs/architecture.md has it: a library has one home, and layers do not see each other.
# What a layer's target does not link it cannot include either; this is about the rest.
set -eu
cd "$1" # the sources
bad=0

holds() { # WHERE PATTERN FILES...: what includes PATTERN below WHERE is among FILES (globs)
    local where=$1 pattern=$2 file line known
    shift 2
    while IFS=: read -r file line; do
        for known in "$@"; do
            # shellcheck disable=SC2254 # a glob, on purpose
            case "$file" in $known) continue 2 ;; esac
        done
        echo "$file is not the place for $line"
        bad=1
    done < <(grep -rE --include='*.[ch]' "^ *# *include [<\"]$pattern" "$where")
}

holds . 'curl/' './io/pool*.[ch]'
holds . 'microhttpd' ./tenant/server.c
holds . 'gnutls/' './tenant/*.c'
holds . 'zlib' ./io/stream.c ./io/ledger_line.c
holds . 'csv\.h>' ./io/csv.c
holds io '(auth0|tenant|core)/'
holds auth0 '(io|tenant|core)/'
holds tenant '(io|auth0)/'
holds tenant 'core/[^br]' # core/bucket.h and core/rng.h it shares with the pacer
holds core '(io|auth0|tenant)/'
exit "$bad"
