#!/bin/sh
# Installs what is missing on Debian 12 (as root, or with sudo): tests/install-deps.sh GROUP...
#
#   build   compilers for the library, its examples and its tests, and the libraries they use
#   clang   clang 19 with the sanitizers' and the fuzzer's runtime
#   e2e     the programs that the end-to-end tests run against: nginx with nchan, Chromium, Node.js, curl, python3-requests; promtool, which
#           checks metrics
#
# Without a group: all of them. What is there already, from Debian or from elsewhere, is left alone. Quiet unless it fails.
set -eu

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }

has() { command -v "$1" >/dev/null 2>&1; }

missing=""
# need PACKAGE TEST...: remembers the package when the test fails.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

cmake_is_new_enough() {
    version=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    # shellcheck disable=SC2086 # two words
    set -- $version
    [ $# = 2 ] && { [ "$1" -gt 3 ] || { [ "$1" = 3 ] && [ "$2" -ge 22 ]; }; }
}

group_build() {
    need g++ has g++
    need gcc has cc
    need cmake cmake_is_new_enough
    has ninja || need make has make
    need git has git
    need python3 has python3
    need libssl-dev test -e /usr/include/openssl/ssl.h
    need libasio-dev test -e /usr/include/asio.hpp
    need node-llhttp test -e /usr/share/llhttp/llhttp.c
    need catch2 test -e /usr/include/catch2
    need libcli11-dev test -e /usr/include/CLI/CLI.hpp
    need nlohmann-json3-dev test -e /usr/include/nlohmann/json.hpp
    need libtomlplusplus-dev test -e /usr/include/toml++/toml.h
}

group_clang() {
    need clang-19 has clang++-19
    need libclang-rt-19-dev installed libclang-rt-19-dev
}

group_e2e() {
    need curl has curl
    need openssl has openssl
    need python3 has python3
    need python3-requests /usr/bin/python3 -c "import requests"
    need nginx-core test -e /usr/sbin/nginx
    need libnginx-mod-nchan test -e /usr/lib/nginx/modules/ngx_nchan_module.so
    need chromium has chromium
    need nodejs has node
    has npm || need npm has npm
    need procps has ps
    need prometheus has promtool
}

for argument in "${@:-all}"; do
    case $argument in
    build | clang | e2e) "group_$argument" ;;
    all) group_build && group_clang && group_e2e ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! has apt-get; then
    echo "missing, and this is no Debian:$missing" >&2
    exit 1
fi
root=""
if [ "$(id -u)" != 0 ]; then
    if ! has sudo; then
        echo "missing:$missing (run this as root, or install sudo)" >&2
        exit 1
    fi
    root=sudo
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    # Debian's packages of servers must not start one, nor fail where they can't.
    $root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -y -q -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null
}

echo "installing:$missing"
# shellcheck disable=SC2086 # a list of words
if ! apt install --no-install-recommends $missing; then
    # Lists that are missing or out of date: fetch them once and try again.
    # shellcheck disable=SC2086
    if ! { apt update && apt install --no-install-recommends $missing; }; then
        cat "$log" >&2
        exit 1
    fi
fi
