#!/usr/bin/env bash
# What rejoin's client costs, beside libcurl and npm's `eventsource` on the same streams in the same run, as one Markdown table:
#
#   benchmarks/client.sh [--runs N] [--seconds S] [--hold S] [--scenarios "E1 S1"] [--peers "curl eventsource"]
#
#   --runs N         measurements of each figure; the table has their median (default 1)
#   --seconds S      E1 and E2: the measured window, after a second of warm-up (default 4: five minutes in all)
#   --hold S         I1: how long the idle streams are held (default 20)
#   --scenarios ...  some of these (default all):
#       E1   one stream at full speed: events as a language model's server sends them for each token, 120 bytes with an id,
#            each in a chunk of its own
#       E2   1,000 such streams at once, each at full speed
#       I1   10,000 idle streams, or as many as the limit of open files allows, held: a comment every 15 s, and at the end an
#            event to each, to see who is still there
#       S1   1,000 streams whose server is killed and comes back after two seconds: what the client does meanwhile
#   --peers ...      of curl and eventsource; those that are not there are left out
#
# All are on one thread (Node.js has more for itself). What each does with an event:
#
#   rejoin views         ReconnectingStream, `wait()` and `try_next()`: parsed (WHATWG), UTF-8 checked, remembered against
#                        repeats; the event is a view into the read buffer
#   rejoin next          the same by `next()`: an await and an owning event for each
#   rejoin manager       S1 only: the streams of a ReconnectionManager, whose circuit breaker looks for the server once a second
#   curl bytes           libcurl's multi interface on epoll, a write callback that adds up bytes: events are bytes divided
#   curl lines           the same with a callback that finds the ends of lines and counts an event for each blank one; no
#                        field is told apart, nothing is checked, remembered or resumed. A floor, not a like for like
#   eventsource          npm's `eventsource` on Node.js: parsed (WHATWG), decoded, an event object handed to a listener
#
# The client has processor 0 for itself, the server (bench_client_source) processor 1, where there are two; clients take turns
# within a scenario, so that a ratio is of one minute. A ratio is the figure of `rejoin views` divided by the other's: of a
# cost, below 1 is in our favour; of events a second, above 1. What other programs used of the two processors meanwhile is told
# as "foreign": above 15 % the figures say little, and figures of different runs never compare.
#
# Programs from $REJOIN_BENCH_DIR (default build/release/benchmarks), an optimised build; bench_client_curl is only built
# where libcurl's headers are (Debian: libcurl4-openssl-dev):
#   cmake --preset release && cmake --build --preset release --target bench_client_source bench_client_rejoin bench_client_curl
# `eventsource` is installed by npm into $REJOIN_NPM_DIR (default build/npm-client) when it is not there yet; nothing else
# leaves the loopback. The exit code is 0 if all of rejoin's streams were whole: open, none dropped, each event there.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
export LC_ALL=C
bench=${REJOIN_BENCH_DIR:-build/release/benchmarks}
packages=${REJOIN_NPM_DIR:-build/npm-client}
eventsource_version=4.1.1 # the last for Node.js 20
runs=1 seconds=4 hold=20 scenarios="E1 E2 I1 S1" peers="curl eventsource"

die() {
    echo "benchmarks/client.sh: $*" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' benchmarks/client.sh; exit 0 ;;
    --runs | --seconds | --hold | --scenarios | --peers) [ $# -ge 2 ] || die "$1 needs a value"; declare "${1#--}=$2"; shift 2 ;;
    *) die "unknown argument '$1' (--help)" ;;
    esac
done
[[ $runs =~ ^[1-9][0-9]*$ && $seconds =~ ^[1-9][0-9]*$ && $hold =~ ^[1-9][0-9]*$ ]] || die "--runs, --seconds and --hold are whole numbers"
for scenario in $scenarios; do [[ " E1 E2 I1 S1 " == *" $scenario "* ]] || die "unknown scenario '$scenario' (--help)"; done
for program in client_source client_rejoin; do [ -x "$bench/bench_$program" ] || die "no $bench/bench_$program: build it first (--help)"; done

scratch=$(mktemp -d) || die "no scratch folder"
source_pid=""
cleanup() {
    stop_source
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

stop_source() { # it ends its own child
    [ -n "$source_pid" ] || return 0
    kill "$source_pid" 2>/dev/null
    wait "$source_pid" 2>/dev/null
    source_pid=""
}

on_client_cpu=() on_source_cpu=() pinned="not pinned (one processor)"
if taskset -c 0,1 true 2>/dev/null && [ "$(nproc)" -ge 2 ]; then
    on_client_cpu=(taskset -c 0) on_source_cpu=(taskset -c 1) pinned="client on processor 0, server on processor 1"
fi
ulimit -Sn "$(ulimit -Hn)"
files=$(ulimit -n)
[[ $files =~ ^[0-9]+$ && $files -lt 10200 ]] || files=10200
idle_streams=$((files - 200))

# --- the peers ---

clients=("rejoin views" "rejoin next" "rejoin manager")
notes=("Pinning: $pinned. I1: $idle_streams streams, held for $hold s.")

add_curl() {
    if [ ! -x "$bench/bench_client_curl" ]; then
        notes+=("curl is left out: no $bench/bench_client_curl (it is built where libcurl's headers are).")
        return
    fi
    clients+=("curl bytes" "curl lines")
    notes+=("libcurl $("$bench/bench_client_curl" --version).")
}

add_eventsource() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        notes+=("eventsource is left out: no Node.js, or no npm.")
        return
    fi
    if [ ! -e "$packages/node_modules/eventsource/package.json" ]; then
        mkdir -p "$packages" && echo '{ "private": true }' >"$packages/package.json"
        if ! (cd "$packages" && timeout 120 npm install --no-audit --no-fund --ignore-scripts "eventsource@$eventsource_version" \
            >npm.log 2>&1 </dev/null); then
            notes+=("eventsource is left out: npm could not install it ($packages/npm.log).")
            return
        fi
    fi
    local version
    # It finds its package beside itself.
    if ! cp benchmarks/client_eventsource.mjs "$packages/" || ! version=$(node "$packages/client_eventsource.mjs" --version 2>&1); then
        notes+=("eventsource is left out: it does not start here.")
        return
    fi
    clients+=("eventsource events")
    notes+=("eventsource $version on Node.js $(node --version).")
}

for peer in $peers; do
    case $peer in
    curl) add_curl ;;
    eventsource) add_eventsource ;;
    *) die "unknown peer '$peer' (--help)" ;;
    esac
done

# --- one measurement ---

ticks() { awk '/^cpu[01] / { for (i = 2; i <= 9; ++i) { all += $i; if (i != 5 && i != 6) busy += $i } } END { print busy, all }' /proc/stat; }

quiet() { # waits up to two seconds for half a second in which the two processors were mostly idle
    local busy all busy_then all_then
    for _ in {1..4}; do
        read -r busy_then all_then < <(ticks)
        sleep 0.5
        read -r busy all < <(ticks)
        [ $(((busy - busy_then) * 100)) -ge $(((all - all_then) * 15)) ] || return
    done
}

takes_part() { # takes_part SCENARIO CLIENT
    case "$1 $2" in
    E?" rejoin manager" | I1" rejoin next" | I1" rejoin manager" | I1" curl bytes" | S1" rejoin next" | S1" curl "*) return 1 ;;
    esac
}

measure() { # measure SCENARIO CLIENT: appends "SCENARIO CLIENT_MODE name=value..." to the results
    local name=${2% *} mode=${2#* } command options url
    case $name in
    eventsource) command=(node "$packages/client_eventsource.mjs") ;;
    *) command=("$bench/bench_client_$name") ;;
    esac
    case $1 in
    E1) options=(full "$mode" --streams 1 --seconds "$seconds") ;;
    E2) options=(full "$mode" --streams 1000 --seconds "$seconds") ;;
    I1) options=(idle "$mode" --streams "$idle_streams" --seconds "$hold" --heartbeat 15) ;;
    S1) options=(storm "$mode" --streams 1000 --away 2) ;;
    esac
    quiet
    rm -f "$scratch/source.out"
    "${on_source_cpu[@]}" "$bench/bench_client_source" --away 2 >"$scratch/source.out" &
    source_pid=$!
    for _ in {1..100}; do
        grep -qs listening "$scratch/source.out" && break
        sleep 0.05
    done
    url=$(cat "$scratch/source.out")
    [ -n "$url" ] || die "the server did not start"
    if timeout $((seconds * 8 + hold + 120)) "${on_client_cpu[@]}" "${command[@]}" "${options[@]}" --port "${url##*:}" --load "$source_pid" \
        >"$scratch/figures" 2>"$scratch/errors"; then
        echo "$1 ${2// /_} $(cat "$scratch/figures")" | tee -a "$scratch/results" >&2
    else
        echo "benchmarks/client.sh: no figures of $2 in $1 (exit code $?): $(tail -n 3 "$scratch/errors")" >&2
    fi
    stop_source
}

# --- all of them, and the table ---

touch "$scratch/results"
for scenario in $scenarios; do
    for ((run = 0; run < runs; ++run)); do
        for client in "${clients[@]}"; do
            if takes_part "$scenario" "$client"; then measure "$scenario" "$client"; fi
        done
    done
done

names=$(printf '%s\n' "${clients[@]}" | tr ' ' '_' | tr '\n' ' ')
awk -v clients="$names" -v scenarios="$scenarios" '
    function median(list,   values, n, i, j, t) {
        n = split(list, values, " ")
        for (i = 2; i <= n; ++i) for (j = i; j > 1 && values[j - 1] + 0 > values[j] + 0; --j) { t = values[j]; values[j] = values[j - 1]; values[j - 1] = t }
        return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
    }
    function shown(value) { return value >= 1e6 ? sprintf("%.2f M", value / 1e6) : value >= 10 ? sprintf("%.0f", value) : value >= 1 ? sprintf("%.2f", value) : sprintf("%.3f", value) }
    function row(scenario, name, title,   i, ours, one, line) {
        ours = (scenario, client[1], name) in figures ? median(figures[scenario, client[1], name]) : ""
        line = "| " scenario " | " title
        for (i = 1; i <= count; ++i) {
            if (!((scenario, client[i], name) in figures)) { line = line " | -"; continue }
            one = median(figures[scenario, client[i], name])
            line = line " | " shown(one)
            if (i > 1 && ours != "" && one > 0) line = line sprintf(" (%.2f)", ours / one)
        }
        print line " | " (scenario in lowest ? lowest[scenario] (lowest[scenario] < highest[scenario] ? "-" highest[scenario] : "") : "-") " |"
    }
    {
        split("", value)
        for (i = 3; i <= NF; ++i) { split($i, pair, "="); value[pair[1]] = pair[2]; figures[$1, $2, pair[1]] = figures[$1, $2, pair[1]] " " pair[2] }
        if (!($1 in lowest) || value["foreign"] + 0 < lowest[$1]) lowest[$1] = value["foreign"] + 0
        if (value["foreign"] + 0 > highest[$1] + 0) highest[$1] = value["foreign"] + 0
        n = value["streams"]
        problem = ""
        if ($1 ~ /^E/ && value["ready"] != n) problem = "of " n " streams " value["ready"] " had events"
        if ($1 == "I1" && (value["open"] != n || value["alive"] != n || value["dropped"] > 0))
            problem = "of " n " streams " value["open"] " were open at the end, " value["alive"] " gave the last event; " value["dropped"] " were dropped"
        if ($1 == "S1" && (value["open"] != n || value["events"] != n || value["gaps"] > 0))
            problem = "of " n " streams " value["open"] " came back, with " value["events"] " events and " value["gaps"] " gaps"
        if (problem != "") {
            wrong = wrong "\n- " $1 ", " $2 ": " problem "."
            if ($2 ~ /^rejoin/) exit_code = 1
        }
        if ($2 ~ /^rejoin/) measured = 1
    }
    END {
        count = split(clients, client, " ")
        line = "| scenario | figure"; rule = "|---|---"
        for (i = 1; i <= count; ++i) { title = client[i]; gsub("_", " ", title); sub(" events", "", title); line = line " | " title; rule = rule "|---:" }
        print line " | foreign % |\n" rule "|---:|"
        n = split(scenarios, list, " ")
        for (i = 1; i <= n; ++i) {
            s = list[i]
            if (s ~ /^E/) { row(s, "events_per_s", "events/s"); row(s, "cpu_us", "CPU us/event"); row(s, "cpu_share", "CPU %, of one processor") }
            if (s == "I1") {
                row(s, "open", "open at the end"); row(s, "alive", "gave the last event"); row(s, "sockets", "sockets")
                row(s, "stream_bytes", "RSS, B/stream"); row(s, "cpu_ms_per_s", "CPU ms/s, all streams")
            }
            if (s == "S1") {
                row(s, "away_attempts", "attempts, server away"); row(s, "away_cpu_ms", "CPU ms, server away"); row(s, "away_share", "CPU %, server away")
                row(s, "half_s", "half back after, s"); row(s, "all_s", "all back after, s")
                row(s, "attempts", "attempts in all"); row(s, "all_cpu_ms", "CPU ms until all were back")
            }
            if (highest[s] > 15) busy = busy " " s
        }
        print "\nIn brackets: rejoin views divided by it."
        if (busy != "") print "- The machine was busy with other work (more than 15 % of the two processors) in:" busy ". Those figures say little."
        if (wrong != "") print substr(wrong, 2)
        exit exit_code || !measured
    }' "$scratch/results"
code=$?
printf -- '- %s\n' "${notes[@]}"
exit "$code"
