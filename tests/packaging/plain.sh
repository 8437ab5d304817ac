#!/bin/sh
# Uses the headers without any build system, as README says: CXX, CC, the checkout and llhttp's folders come by environment.
set -eu
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

echo "rejoin/sse.hpp: one include path"
"$CXX" -std=c++20 -Wall -Wextra -Werror -I "$REJOIN_SOURCE/include" "$REJOIN_SOURCE/tests/packaging/sse_only.cpp" -o sse_only
./sse_only

echo "rejoin/rejoin.hpp: Asio, and llhttp's three C files"
for unit in api http llhttp; do
    "$CC" -O1 -I "$LLHTTP_INCLUDE" -c "$LLHTTP_SOURCE/$unit.c" -o "$unit.o"
done
flags="-DASIO_STANDALONE"
if "$CXX" --version | grep -q clang; then flags="$flags -DASIO_HAS_CO_AWAIT=1"; fi
# shellcheck disable=SC2086 # one word each
"$CXX" -std=c++20 -Wall -Wextra -Werror $flags -I "$REJOIN_SOURCE/include" -isystem "$LLHTTP_INCLUDE" \
    ${ASIO_INCLUDE:+-isystem "$ASIO_INCLUDE"} "$REJOIN_SOURCE/tests/packaging/full.cpp" api.o http.o llhttp.o -pthread -o full
./full
