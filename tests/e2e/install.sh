#!/usr/bin/env bash
# What `cmake --install` puts in place is enough to build a program against, and has its manual.
set -eu
: "${ONRAMP_BINARY:?}"
command -v pkg-config >/dev/null || exit 77
build=$(dirname "$ONRAMP_BINARY")
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"

fail() {
    echo "install: $*"
    exit 1
}
cmake --install "$build" --prefix "$directory/usr" >install.log || fail "$(cat install.log)"

version=$(usr/bin/onramp --version)
[ "$version" = "$("$ONRAMP_BINARY" --version)" ] || fail "another onramp: $version"
for command in $(usr/bin/onramp --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    grep -q "^\.Nm onramp-$command\$" "usr/share/man/man1/onramp-$command.1" || fail "no page of $command"
done
grep -q '^\.Nm onramp$' usr/share/man/man1/onramp.1 || fail 'no page of onramp'
bash -c '. usr/share/bash-completion/completions/onramp && complete -p onramp' >/dev/null || fail 'no completion'

cat >hello.c <<'C'
#include <onramp/onramp.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    printf("onramp %s, first tier %s\n", onramp_version(), onramp_tier_at(0)->name);
    return strcmp(onramp_version(), ONRAMP_VERSION);
}
C
PKG_CONFIG_PATH=$(dirname "$(find "$directory/usr" -name onramp.pc)")
export PKG_CONFIG_PATH
[ "onramp $(pkg-config --modversion onramp)" = "$version" ] || fail 'onramp.pc has another version'
sanitize=$(cached ONRAMP_SANITIZE)
# shellcheck disable=SC2046 # words are meant
"$(cached CMAKE_C_COMPILER)" -std=c17 -Wall -Wextra -Wpedantic -Werror ${sanitize:+"-fsanitize=$sanitize"} hello.c \
    $(pkg-config --cflags --libs onramp) -o hello
[ "$(./hello)" = "$version, first tier free" ] || fail "the program says '$(./hello)'"
