#!/usr/bin/env bash
# One live stream through the reference proxy, cut on both sides, and not an event lost or doubled:
#
#   examples/demo.sh [--no-install]
#
# Installs what is missing (Debian 12, as root or with sudo), builds, then plays for about half a minute and ends by
# itself. The exit code is 0 only if the follower has seen every event once and in order.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
build_dir=$PWD/build/release
events=300
rate=15
cuts_of_client="45 110 175 240"

case ${1:-} in
--no-install | "") ;;
-h | --help)
    sed -n '2,7s/^# \{0,1\}//p' examples/demo.sh
    exit 0
    ;;
*)
    echo "examples/demo.sh: unknown argument '$1' (--help)" >&2
    exit 2
    ;;
esac

bold='' green='' yellow='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' green=$'\e[32m' yellow=$'\e[33m' red=$'\e[31m' plain=$'\e[0m'
fi
say() { printf '%s\n' "$*"; }
die() {
    printf '%sexamples/demo.sh: %s%s\n' "$red" "$*" "$plain" >&2
    exit 2
}

# --- what it takes ---

if [ "${1:-}" != --no-install ]; then
    tests/install-deps.sh build || die "installing failed"
fi

programs=(rejoin-proxy rejoin-follow flaky-sse-server)
mkdir -p "$build_dir" || die "can't write to build/"
say "building (log: build/release/demo.log)"
environment=()
if [ ! -e "$build_dir/CMakeCache.txt" ]; then
    if command -v ninja >/dev/null; then environment+=(CMAKE_GENERATOR=Ninja); fi
    if command -v ccache >/dev/null; then environment+=(CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
fi
cores=$(nproc 2>/dev/null || echo 1)
if ! { env "${environment[@]}" cmake --preset release &&
    cmake --build "$build_dir" -j "$((cores < 2 ? cores : 2))" --target "${programs[@]}"; } >"$build_dir/demo.log" 2>&1; then
    tail -n 30 "$build_dir/demo.log" >&2
    die "the build failed"
fi

# --- the programs, each ended by its id whatever happens ---

scratch=$(mktemp -d) || die "no scratch folder"
pids=()
cleanup() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# address_of FILE PID: waits for the line that tells the address.
address_of() {
    local deadline=$((SECONDS + 10)) address
    while [ "$SECONDS" -lt "$deadline" ]; do
        address=$(sed -n 's/^listening on //p' "$1")
        if [ -n "$address" ]; then
            printf '%s' "$address"
            return 0
        fi
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

server_options=(--events "$events" --after-last 204 --rate "$rate" --cut-events 30 --replay inclusive
    --end "reset,clean,mid-event,truncated,close-delimited,stall")
"$build_dir/examples/flaky-sse-server" --listen 127.0.0.1:0 "${server_options[@]}" --verbose --quiet \
    >"$scratch/server.out" 2>"$scratch/server.log" &
pids+=($!)
server=$(address_of "$scratch/server.out" $!) || die "the server did not start: $(cat "$scratch/server.log")"

"$build_dir/examples/rejoin-proxy" --listen 127.0.0.1:0 --upstream "$server" --idle-timeout 1s --retry 300ms \
    >"$scratch/proxy.out" 2>"$scratch/proxy.log" &
pids+=($!)
proxy=$(address_of "$scratch/proxy.out" $!) || die "the proxy did not start: $(cat "$scratch/proxy.log")"

mkfifo "$scratch/commands" || die "no fifo"
python3 -B tests/e2e/cutter.py "$proxy" <"$scratch/commands" >"$scratch/cutter.out" 2>"$scratch/cutter.log" &
pids+=($!)
cutter_pid=$!
exec 9>"$scratch/commands"
cutter=$(address_of "$scratch/cutter.out" "$cutter_pid") || die "the cutter did not start: $(cat "$scratch/cutter.log")"

say
say "${bold}flaky-sse-server -> rejoin-proxy -> (a relay that cuts) -> rejoin-follow${plain}"
say "  $events events, $rate a second. The server cuts each of its responses after 30 events, every time in another way,"
say "  and repeats the last event at each reconnect. The client's connection is cut, too: at events $cuts_of_client."
say

# --- live: what the follower prints, with what the others say meanwhile ---

touch "$scratch/events" "$scratch/follow.log"
python3 -B - "$scratch" "$events" "$cuts_of_client" "$bold" "$green" "$yellow" "$red" "$plain" 9>&- <<'PYTHON' &
import json
import os
import re
import sys
import time

scratch, total, cuts, bold, green, yellow, red, plain = sys.argv[1:]
total, cuts = int(total), [int(one) for one in cuts.split()]
WAYS = {
    "reset": "reset", "clean": "ended as if all had been sent", "mid-event": "broken off within an event",
    "truncated": "closed before its end", "close-delimited": "closed, and nothing told whether that was the end",
    "stall": "gone silent, with the connection open",
}
OUTCOMES = {
    "resumed": "behind the last event it had, and nothing was missing or repeated",
    "overlapped": "what came again was dropped",
}
seen = doubled = gaps = upstream_cuts = client_cuts = 0
awaited = None
on_line = False


def path(name):
    return os.path.join(scratch, name)


class Tail:
    """The whole lines that a file has got since the last look."""

    def __init__(self, name):
        self.file = open(path(name), encoding="utf-8")
        self.rest = ""

    def lines(self):
        *whole, self.rest = (self.rest + self.file.read()).split("\n")
        return whole


def tell(mark, text):
    global on_line
    if on_line and sys.stdout.isatty():
        print("\r\033[K", end="")
    print(f"{time.monotonic() - begin:5.1f} s  {mark}{text}{plain}", flush=True)
    on_line = False


def progress():
    global on_line
    if sys.stdout.isatty():
        print(f"\r\033[K{time.monotonic() - begin:5.1f} s  event {seen}", end="", flush=True)
        on_line = True


events, server, log = Tail("events"), Tail("server.log"), Tail("follow.log")
commands = open(path("commands"), "w", encoding="utf-8")
open(path("ready"), "w", encoding="utf-8").close()
begin = time.monotonic()
finished = False
while not finished:
    finished = os.path.exists(path("finished"))
    for line in server.lines():
        cut = re.search(r"cut \((\S+)\).*next is (\d+)", line)
        if cut:
            upstream_cuts += 1
            tell(yellow, f"upstream cut no. {upstream_cuts}: {WAYS[cut[1]]}, behind event {int(cut[2]) - 1}")
            awaited = int(cut[2])
    for line in log.lines():
        if line.startswith("dropped: complete"):
            tell("", "the stream is over, and the server says so when it is asked for more")
        elif line.startswith("dropped: "):
            tell(yellow, f"the follower has lost its connection: {line.removeprefix('dropped: ')}")
        elif line.startswith("opened: ") and client_cuts:
            tell("", f"the follower is back: {line.removeprefix('opened: ')}")
        elif line.startswith("resumed: "):
            outcome = line.removeprefix("resumed: ")
            gaps += outcome not in OUTCOMES
            tell(green if outcome in OUTCOMES else red, f"the follower goes on: {OUTCOMES.get(outcome, outcome)}")
        elif line.startswith("rejoin-follow: "):
            tell(red, line)
    for line in events.lines():
        event = json.loads(line)
        number = int(event["data"].split()[0]) if event["event"] == "message" else 0
        if number == seen + 1:
            seen = number
        elif 0 < number <= seen:
            doubled += 1
            tell(red, f"event {number} came again")
        else:
            gaps += 1
            tell(red, f"behind event {seen} came {event}")
            seen = max(seen, number)
        if awaited is not None and seen >= awaited:
            tell(green, f"the proxy has resumed the upstream; event {seen} came to the follower, which noticed nothing")
            awaited = None
        if cuts and seen >= cuts[0]:
            cuts.pop(0)
            client_cuts += 1
            tell(yellow, f"client cut no. {client_cuts}: its connection is reset, behind event {seen}")
            commands.write("cut\n")
            commands.flush()
    progress()
    if not finished:
        time.sleep(0.03)
if on_line:
    print()
exact = seen == total and not gaps and not doubled and upstream_cuts >= 5 and client_cuts >= 4
print()
print(f"{bold}last id {seen} of {total}, gaps {gaps}, duplicates {doubled}{plain}"
      f"  ({upstream_cuts} cuts upstream, {client_cuts} of the client)")
sys.exit(0 if exact else 1)
PYTHON
narrator=$!
pids+=("$narrator")

# --- the follower, and the end ---

deadline=$((SECONDS + 10))
until [ -e "$scratch/ready" ]; do
    if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$narrator" 2>/dev/null; then die "the display did not start"; fi
    sleep 0.05
done
"$build_dir/examples/rejoin-follow" --json --backoff-base 100ms --max-outage 20s "$cutter/events" \
    >"$scratch/events" 2>"$scratch/follow.log" 9>&- &
follower=$!
pids+=("$follower")

deadline=$((SECONDS + 55))
while kill -0 "$follower" 2>/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ]; then die "it did not end within 55 s"; fi
    sleep 0.1
done
wait "$follower"
followed=$?
touch "$scratch/finished"
wait "$narrator"
exact=$?
# Both are gone; their ids are no longer ours to end.
pids=("${pids[@]:0:3}")

if [ "$exact" = 0 ] && [ "$followed" = 0 ]; then
    say "${green}every event once and in order${plain}"
    exit 0
fi
say "${red}NOT exact${plain} (rejoin-follow ended with $followed)"
exit 1
