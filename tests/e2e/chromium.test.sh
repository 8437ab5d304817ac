#!/usr/bin/env bash
# Chromium's own EventSource behind the proxy, cut on both sides.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for needed in chromium node npm; do
    command -v "$needed" >/dev/null || { echo "$needed is missing (tests/install-deps.sh e2e)" >&2; exit 1; }
done

# npm's packages go to a folder that stays between runs, never into the source tree.
packages=${REJOIN_BIN_DIR:?}/../npm
mkdir -p "$packages" || exit 1
if ! cmp -s "$here/package-lock.json" "$packages/installed.json" || [ ! -d "$packages/node_modules/playwright-core" ]; then
    cp "$here/package.json" "$here/package-lock.json" "$packages/" || exit 1
    if ! (cd "$packages" && npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1 </dev/null); then
        cat "$packages/npm.log" >&2
        exit 1
    fi
    cp "$here/package-lock.json" "$packages/installed.json" || exit 1
fi

scratch=$(mktemp -d) || exit 1
pid=
cleanup() {
    # The driver ends what it has started, also on this signal.
    if [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null; fi
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 143' TERM INT
PLAYWRIGHT_CORE=$packages/node_modules/playwright-core REJOIN_E2E_SCRATCH=$scratch node "$here/chromium.mjs" &
pid=$!
wait "$pid"
status=$?
pid=
exit "$status"
