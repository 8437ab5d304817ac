#!/usr/bin/env bash
# Installs what is missing, builds, and runs everything. From a fresh clone on Debian 12, as root or with sudo:
#
#   tests/run.sh [--stage NAME]... [--no-install] [--clean]
#
# Stages (all of them by default, in this order):
#   release   g++, optimised: unit, integration, lint, packaging and end-to-end tests
#   asan      g++ with AddressSanitizer: the layers with coroutines, every example once
#   clang     clang 19 with AddressSanitizer and UndefinedBehaviorSanitizer, every target without a warning: unit and
#             integration tests
#   tsan      clang 19 with ThreadSanitizer: the layers that know threads
#   fuzz      clang 19 with libFuzzer: 40 seconds for the event stream parser, 20 for each other target
#
#   --stage NAME    only this stage; may be given several times
#   --no-install    install nothing; fail where something is missing
#   --clean         start from empty build folders
#
# Environment: JOBS (parallel compilers, at most 2 by default), FUZZ_SECONDS (for each fuzz target).
# The last line is the sum: "N passed, N failed". The exit code is 0 only if nothing failed.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
source_dir=$PWD

usage() { sed -n '2,21s/^# \{0,1\}//p' tests/run.sh; }
die() {
    echo "tests/run.sh: $*" >&2
    exit 2
}

all_stages=(release asan clang tsan fuzz)
stages=()
install=1
clean=0
while [ $# -gt 0 ]; do
    case $1 in
    --stage)
        [ $# -ge 2 ] || die "--stage needs a name: ${all_stages[*]}"
        [[ " ${all_stages[*]} " == *" $2 "* ]] || die "no stage '$2': ${all_stages[*]}"
        stages+=("$2")
        shift
        ;;
    --no-install) install=0 ;;
    --clean) clean=1 ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) die "unknown argument '$1' (--help)" ;;
    esac
    shift
done
[ ${#stages[@]} -gt 0 ] || stages=("${all_stages[@]}")

cores=$(nproc 2>/dev/null || echo 1)
jobs=${JOBS:-$((cores < 2 ? cores : 2))}

passed=0
failed=0
summary=()
count() { # count NAME PASSED FAILED SECONDS
    passed=$((passed + $2))
    failed=$((failed + $3))
    summary+=("$(printf '%-28s %5d passed %5d failed %6d s' "$1" "$2" "$3" "$4")")
}

# build PRESET: configures and builds build/PRESET; what the compilers say is shown only when it fails.
build() {
    local preset=$1 dir=$source_dir/build/$1 start=$SECONDS log
    [ "$clean" = 0 ] || rm -rf "$dir"
    mkdir -p "$dir"
    log=$dir/build.log
    echo "building build/$preset (log: build/$preset/build.log)"
    local environment=()
    if [ ! -e "$dir/CMakeCache.txt" ]; then
        if command -v ninja >/dev/null; then environment+=(CMAKE_GENERATOR=Ninja); fi
        if command -v ccache >/dev/null; then
            environment+=(CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache)
        fi
    fi
    if env "${environment[@]}" cmake --preset "$preset" >"$log" 2>&1 && cmake --build "$dir" -j "$jobs" >>"$log" 2>&1; then
        count "$preset: build" 0 0 $((SECONDS - start))
        return 0
    fi
    grep -nE '(error|Error|FAILED)[: ]' "$log" | head -n 40
    tail -n 20 "$log"
    count "$preset: build" 0 1 $((SECONDS - start))
    return 1
}

# run_ctest PRESET [ctest option...]
run_ctest() {
    local preset=$1 dir=$source_dir/build/$1 start=$SECONDS output sum
    shift
    output=$dir/ctest.log
    ctest --test-dir "$dir" --output-on-failure --no-tests=error -j "$jobs" "$@" </dev/null 2>&1 | tee "$output"
    sum=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests failed out of ([0-9]+)$/\1 \2/p' "$output" | tail -n 1)
    if [ -z "$sum" ]; then
        count "$preset: tests" 0 1 $((SECONDS - start))
    else
        count "$preset: tests" $((${sum#* } - ${sum% *})) "${sum% *}" $((SECONDS - start))
    fi
}

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-second_deadlock_stack=1}

stage_release() { build release && run_ctest release; }
stage_asan() { build asan && run_ctest asan -L '^(unit|integration|smoke)$'; }
stage_clang() { build asan-ubsan && run_ctest asan-ubsan -L '^(unit|integration)$'; }
stage_tsan() { build tsan && run_ctest tsan -L '^(unit|integration)$'; }

stage_fuzz() {
    build fuzz || return
    local source name seeds work seconds start log
    for source in tests/fuzz/*_fuzz.cpp; do
        [ -e "$source" ] || continue
        name=$(basename "$source" .cpp)
        seeds=tests/fuzz/${name%_fuzz}_corpus
        [ -d "$seeds" ] || seeds=tests/fuzz/corpus
        case $name in
        *parser*) seconds=40 ;;
        *) seconds=20 ;;
        esac
        seconds=${FUZZ_SECONDS:-$seconds}
        work=build/fuzz/work/$name
        log=build/fuzz/$name.log
        mkdir -p "$work/corpus"
        start=$SECONDS
        echo "fuzzing $name for $seconds s (seeds: $seeds, log: $log)"
        # New inputs go to the first folder; the seeds stay as they are.
        if "build/fuzz/tests/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
            -artifact_prefix="$work/" "$work/corpus" "$seeds" >"$log" 2>&1 </dev/null; then
            grep -E 'number_of_executed_units|average_exec_per_sec' "$log"
            count "fuzz: $name" 1 0 $((SECONDS - start))
        else
            tail -n 60 "$log"
            count "fuzz: $name" 0 1 $((SECONDS - start))
        fi
    done
}

begin=$SECONDS
for stage in "${stages[@]}"; do
    echo "== $stage"
    case $stage in
    release) needs=(build e2e) ;;
    asan) needs=(build e2e) ;;
    *) needs=(build clang) ;;
    esac
    if [ "$install" = 1 ] && ! tests/install-deps.sh "${needs[@]}"; then
        count "$stage: installation" 0 1 0
        continue
    fi
    "stage_$stage"
done

echo
echo "== summary ($((SECONDS - begin)) s)"
printf '%s\n' "${summary[@]}"
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
