#!/usr/bin/env bash
# The core decides and does not act: what it calls beyond itself is on this list. No clock, no file, no socket, no
# randomness, no output.
set -eu
allowed=" abort __assert_fail __stack_chk_fail calloc free malloc realloc memcpy memmove memset memcmp qsort snprintf __snprintf_chk vsnprintf __vsnprintf_chk strcmp strlen strerror strncmp strchr "
others=$(for object in "$@"; do nm -g "$object"; done | awk '$(NF-1) == "U" {print $NF} $2 ~ /[TDBRC]/ {defined[$3]}
    END {for (d in defined) print "defined " d}')
bad=0
for symbol in $(printf '%s\n' "$others" | awk '$1 != "defined" {print $1}' | sed 's/@.*//' | sort -u); do
    case "$allowed" in *" $symbol "*) continue ;; esac
    case "$symbol" in __ubsan_* | __asan_* | __sanitizer_*) continue ;; esac
    printf '%s\n' "$others" | grep -qx "defined $symbol" && continue
    echo "the core calls $symbol, which is not on its list"
    bad=1
done
[ "$#" -gt 0 ] || { echo "no objects given"; bad=1; }
exit "$bad"
