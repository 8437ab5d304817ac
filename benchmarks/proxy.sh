#!/usr/bin/env bash
# What rejoin-proxy costs, beside other reverse proxies in the same run, as one Markdown table:
#
#   benchmarks/proxy.sh [--runs N] [--seconds S] [--scenarios "T1 M1"] [--peers "nginx haproxy"]
#
#   --runs N         measurements of each figure; the table has their median (default 1)
#   --seconds S      measured window, after a second of warm-up (default 4: three minutes in all)
#   --scenarios ...  some of these (default all):
#       T1   1 connection at full speed, 200 B of data an event
#       T2   64 connections at full speed, 200 B
#       T3   64 connections at full speed, 4 KiB
#       L1   500 connections, 20 events/s each
#       M1   5,000 idle streams, or as many as the limit of open files allows
#       F1   one event to 1,000 clients, 20 times a second: rejoin-proxy --sharing shared reads it once, the others 1,000 times
#   --peers ...      of nginx and haproxy; those that are not installed are left out
#
# Every figure is a cost, so a ratio (ours to the peer's) below 1 is in our favour. The proxy has processor 0 for itself, the
# load (bench_proxy_load: upstream and verifying clients) processor 1, where there are two; proxies take turns within a
# scenario, so that a ratio is of one minute. What other programs used of the two processors meanwhile is told as "foreign":
# above 15 % the figures say little, and figures of different runs never compare.
#
# Programs: rejoin-proxy from $REJOIN_BIN_DIR (default build/release/examples), bench_proxy_load from
# $REJOIN_BENCH_DIR (default build/release/benchmarks), an optimised build:
#   cmake --preset release && cmake --build --preset release --target rejoin-proxy bench_proxy_load
# Talks to the loopback only. The exit code is 0 if rejoin-proxy delivered every event whole, once and in order.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
export LC_ALL=C
bin=${REJOIN_BIN_DIR:-build/release/examples}/rejoin-proxy
load=${REJOIN_BENCH_DIR:-build/release/benchmarks}/bench_proxy_load
runs=1 seconds=4 scenarios="T1 T2 T3 L1 M1 F1" peers="nginx haproxy"

die() {
    echo "benchmarks/proxy.sh: $*" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' benchmarks/proxy.sh; exit 0 ;;
    --runs | --seconds | --scenarios | --peers) [ $# -ge 2 ] || die "$1 needs a value"; declare "${1#--}=$2"; shift 2 ;;
    *) die "unknown argument '$1' (--help)" ;;
    esac
done
[[ $runs =~ ^[1-9][0-9]*$ && $seconds =~ ^[1-9][0-9]*$ ]] || die "--runs and --seconds are whole numbers"
for scenario in $scenarios; do [[ " T1 T2 T3 L1 M1 F1 " == *" $scenario "* ]] || die "unknown scenario '$scenario' (--help)"; done
for program in "$bin" "$load"; do [ -x "$program" ] || die "no $program: build it first (--help)"; done

scratch=$(mktemp -d) || die "no scratch folder"
chmod 755 "$scratch"
started=()
cleanup() {
    stop
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# stop: ends what was started, by its id, with its children.
stop() {
    local pid pids=()
    for pid in "${started[@]}"; do mapfile -t -O "${#pids[@]}" pids < <(echo "$pid"; pgrep -P "$pid"); done
    started=()
    [ ${#pids[@]} -gt 0 ] || return 0
    kill "${pids[@]}" 2>/dev/null
    for _ in {1..20}; do
        kill -0 "${pids[@]}" 2>/dev/null || break
        sleep 0.05
    done
    kill -9 "${pids[@]}" 2>/dev/null
    wait "${pids[@]}" 2>/dev/null
    return 0
}

on_proxy_cpu=() on_load_cpu=() pinned="not pinned (one processor)"
if taskset -c 0,1 true 2>/dev/null && [ "$(nproc)" -ge 2 ]; then
    on_proxy_cpu=(taskset -c 0) on_load_cpu=(taskset -c 1) pinned="proxy on processor 0, load on processor 1"
fi
ulimit -Sn "$(ulimit -Hn)"
files=$(ulimit -n)
[[ $files =~ ^[0-9]+$ && $files -lt 10100 ]] || files=10100 # two for each stream in the proxy
idle_streams=$(((files - 100) / 2))

# --- the proxies: each is started in the foreground, LISTEN_PORT UPSTREAM_PORT SCENARIO ---

run_rejoin() {
    local share=()
    if [ "$3" = F1 ]; then share=(--sharing shared); fi
    exec "${on_proxy_cpu[@]}" "$bin" --listen "127.0.0.1:$1" --upstream "http://127.0.0.1:$2" --drain 100ms "${share[@]}"
}

run_nginx() { # as commonly configured for event streams
    local dir=$scratch/nginx
    mkdir -p "$dir"
    cat >"$dir/nginx.conf" <<CONF
daemon off; worker_processes 1; worker_rlimit_nofile $(ulimit -n); pid $dir/pid; error_log stderr error;
events { worker_connections $((files * 2)); } # it drops young ones when 15/16 are taken
http {
  access_log off; tcp_nodelay on;
  client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir; uwsgi_temp_path $dir; scgi_temp_path $dir;
  server {
    listen 127.0.0.1:$1 backlog=4096;
    location / {
      proxy_pass http://127.0.0.1:$2; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_cache off; proxy_read_timeout 1h; proxy_send_timeout 1h;
    }
  }
}
CONF
    exec "${on_proxy_cpu[@]}" nginx -p "$dir" -e stderr -c "$dir/nginx.conf"
}

run_haproxy() { # one thread; without http-no-delay it holds events back for up to 200 ms
    cat >"$scratch/haproxy.cfg" <<CONF
global
  nbthread 1
  maxconn $((idle_streams + 40))
defaults
  mode http
  backlog 4096
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option http-no-delay
listen sse
  bind 127.0.0.1:$1
  server up 127.0.0.1:$2
CONF
    exec "${on_proxy_cpu[@]}" haproxy -db -f "$scratch/haproxy.cfg"
}

# --- one measurement ---

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

wait_for() { # wait_for COMMAND...: up to five seconds
    for _ in {1..100}; do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

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

measure() { # measure SCENARIO PROXY: appends "SCENARIO PROXY name=value..." to the results
    local options port upstream source
    case $1 in
    T1) options=(--connections 1 --target "/events?size=200") ;;
    T2) options=(--connections 64 --target "/events?size=200") ;;
    T3) options=(--connections 64 --target "/events?size=4096") ;;
    L1) options=(--connections 500 --target "/events?size=200&rate=20") ;;
    M1) options=(--connections "$idle_streams" --target "/events?size=200&rate=0.1") ;;
    F1) options=(--connections 1000 --target "/events?size=200&rate=20&step=1") ;;
    esac
    quiet
    rm -f "$scratch"/source.out # an old one would be taken for this one's
    "${on_load_cpu[@]}" "$load" source >"$scratch/source.out" &
    source=$!
    started=("$source")
    wait_for grep -qs listening "$scratch/source.out" || die "the upstream did not start"
    upstream=$(sed 's/.*://' "$scratch/source.out")
    port=$((20000 + RANDOM % 9000))
    while listens "$port"; do port=$((port + 1)); done
    "run_$2" "$port" "$upstream" "$1" >"$scratch/$2.log" 2>&1 &
    started+=($!)
    if wait_for listens "$port" && kill -0 "$!" 2>/dev/null; then
        if timeout $((seconds + 30)) "${on_load_cpu[@]}" "$load" sink --port "$port" "${options[@]}" --seconds "$seconds" --pid "$!" \
            --load "$source" >"$scratch/figures"; then
            echo "$1 $2 $(cat "$scratch/figures")" | tee -a "$scratch/results" >&2
        else
            echo "benchmarks/proxy.sh: no figures of $2 in $1 (exit code $?)" >&2
        fi
    else
        echo "benchmarks/proxy.sh: $2 did not start: $(tail -n 3 "$scratch/$2.log")" >&2
    fi
    stop
}

# --- all of them, and the table ---

proxies=(rejoin)
notes=("Pinning: $pinned. M1: $idle_streams streams. rejoin-proxy: $("$bin" --version).")
for peer in $peers; do
    case $peer in
    nginx | haproxy) ;;
    *) die "unknown peer '$peer' (--help)" ;;
    esac
    if command -v "$peer" >/dev/null; then
        proxies+=("$peer")
        notes+=("$("$peer" -v 2>&1 | head -n 1).")
    else
        notes+=("$peer is not installed.")
    fi
done

touch "$scratch/results"
limit=$((runs * (18 * seconds + 150)))
for scenario in $scenarios; do
    for ((run = 0; run < runs; ++run)); do
        for proxy in "${proxies[@]}"; do
            if [ "$SECONDS" -lt "$limit" ]; then
                measure "$scenario" "$proxy"
            else
                notes+=("Out of time (${limit} s): no measurement of $proxy in $scenario.")
            fi
        done
    done
done

awk -v proxies="${proxies[*]}" -v scenarios="$scenarios" '
    function median(list,   values, n, i, j, t) {
        n = split(list, values, " ")
        for (i = 2; i <= n; ++i) for (j = i; j > 1 && values[j - 1] + 0 > values[j] + 0; --j) { t = values[j]; values[j] = values[j - 1]; values[j - 1] = t }
        return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
    }
    function shown(value) { return value < 10 ? sprintf("%.2f", value) : sprintf("%.0f", value) }
    function row(scenario, name, title,   i, ours, peer, line) {
        if ((scenario, proxy[1], name) in figures) ours = median(figures[scenario, proxy[1], name])
        line = "| " scenario " | " title " | " (ours == "" ? "-" : shown(ours))
        for (i = 2; i <= count; ++i) {
            if (!((scenario, proxy[i], name) in figures)) { line = line " | - | -"; continue }
            peer = median(figures[scenario, proxy[i], name])
            line = line " | " shown(peer) " | " (ours == "" || peer <= 0 ? "-" : sprintf("%.2f", ours / peer))
        }
        print line " | " (scenario in lowest ? lowest[scenario] (lowest[scenario] < highest[scenario] ? "-" highest[scenario] : "") : "-") " |"
    }
    {
        split("", value)
        for (i = 3; i <= NF; ++i) { split($i, pair, "="); value[pair[1]] = pair[2]; figures[$1, $2, pair[1]] = figures[$1, $2, pair[1]] " " pair[2] }
        if (!($1 in lowest) || value["foreign"] < lowest[$1]) lowest[$1] = value["foreign"] + 0
        if (value["foreign"] + 0 > highest[$1] + 0) highest[$1] = value["foreign"] + 0
        if (value["ready"] != value["connections"] || value["failed"] + value["ended"] + value["gaps"] + value["dups"] + value["corrupt"] > 0) {
            wrong = wrong "\n- " $1 ": " $2 " was not exact: of " value["connections"] " connections " value["ready"] " had events, " value["failed"] \
                " failed, " value["ended"] " ended; gaps " value["gaps"] ", duplicates " value["dups"] ", corrupt " value["corrupt"] "."
            if ($2 == "rejoin") exit_code = 1
        }
        if ($2 == "rejoin") measured = 1
    }
    END {
        count = split(proxies, proxy, " ")
        line = "| scenario | figure | rejoin"; rule = "|---|---|---:"
        for (i = 2; i <= count; ++i) { line = line " | " proxy[i] " | ratio"; rule = rule "|---:|---:" }
        print line " | foreign % |\n" rule "|---:|"
        n = split(scenarios, list, " ")
        for (i = 1; i <= n; ++i) {
            s = list[i]
            if (s != "M1") row(s, "cpu_us", "CPU us/event" (s == "F1" ? " delivered" : ""))
            if (s == "L1" || s == "F1") { row(s, "p50_us", "latency p50, us"); row(s, "p99_us", "latency p99, us") }
            if (s == "M1") row(s, "stream_bytes", "RSS, B/stream")
            if (highest[s] > 15) busy = busy " " s
        }
        print ""
        if (busy != "") print "- The machine was busy with other work (more than 15 % of the two processors) in:" busy ". Those figures say little."
        if (wrong != "") print substr(wrong, 2)
        exit exit_code || !measured
    }' "$scratch/results"
code=$?
printf -- '- %s\n' "${notes[@]}"
exit "$code"
