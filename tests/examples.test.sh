#!/usr/bin/env bash
# Every example program once: a server that cuts after each 10 events, the proxy and the gateway before it, a follower
# behind each. Run with the sanitizers too, which see what g++ 12 makes of the coroutines.
# labels: smoke
set -u

bin=${REJOIN_BIN_DIR:?the folder of the example programs}
scratch=$(mktemp -d)
started=()

cleanup() {
    if [ ${#started[@]} -gt 0 ]; then kill "${started[@]}" 2>/dev/null; fi
    wait 2>/dev/null
    rm -rf "$scratch"
}
trap cleanup EXIT

fail() {
    echo "FAILED: $*"
    tail -n 50 "$scratch"/*.err
    exit 1
}

# start NAME PROGRAM [ARGUMENT...]: runs it in the background; $address is where it says that it listens.
start() {
    local name=$1 out=$scratch/$1.out
    shift
    "$@" >"$out" 2>"$scratch/$name.err" </dev/null &
    started+=($!)
    for _ in $(seq 200); do
        address=$(sed -n 's/^listening on //p' "$out")
        [ -z "$address" ] || return 0
        kill -0 $! 2>/dev/null || fail "$name ended before it listened"
        sleep 0.1
    done
    fail "$name does not say where it listens"
}

# follow NAME URL: expects the ids 1 to 60 once each, in order.
follow() {
    local name=$1 url=$2
    timeout 60 "$bin/rejoin-follow" --json --max-events 60 --backoff-base 20ms --backoff-cap 200ms "$url" \
        >"$scratch/$name.out" 2>"$scratch/$name.err" </dev/null || fail "$name: exit code $?"
    sed -n 's/^{"id":"\([0-9]*\)".*/\1/p' "$scratch/$name.out" | cmp - <(seq 60) || fail "$name: not the ids 1 to 60 in order"
    echo "ok: $name"
}

start server "$bin/flaky-sse-server" --listen 127.0.0.1:0 --events 60 --rate 100 --cut-events 10 --end clean,reset,truncated
upstream=$address
start proxy "$bin/rejoin-proxy" --listen 127.0.0.1:0 --upstream "$upstream" --backoff-base 20ms --backoff-cap 200ms
proxy=$address
start gateway "$bin/gateway" 127.0.0.1:0 "$upstream"
gateway=$address

follow direct "$upstream/events"
follow through-proxy "$proxy/events"
follow through-gateway "$gateway/events"

printf 'id: 7\r\ndata: a\rdata: b\n\n: c\n\n' | "$bin/sse-to-json" 3 >"$scratch/json.out" 2>"$scratch/json.err" ||
    fail "sse-to-json: exit code $?"
grep -q '^{"event":"message","data":"a\\nb","id":"7","retry":null,"at":[0-9]*}$' "$scratch/json.out" || fail "sse-to-json: $(cat "$scratch/json.out")"
tail -n 1 "$scratch/json.out" | grep -q '^{"end":true' || fail "sse-to-json: no end line"
echo "ok: sse-to-json"

# An orderly end is part of it: leaks are counted there.
for process in "${started[@]}"; do
    kill -TERM "$process" 2>/dev/null || fail "a program ended before it was asked to"
done
for process in "${started[@]}"; do
    wait "$process" || fail "exit code $? after SIGTERM (server, proxy, gateway: ${started[*]}; this one: $process)"
done
started=()
echo "ok: SIGTERM"
