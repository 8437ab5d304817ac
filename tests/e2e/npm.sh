# shellcheck shell=bash
# To be sourced: installs the npm packages that the end-to-end tests take, as the lock file beside this pins them, into a
# folder that stays between runs, never into the source tree. Sets NPM_MODULES. Then `run_driver FILE.mjs` runs a driver.

e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for needed in node npm; do
    command -v "$needed" >/dev/null || { echo "$needed is missing (tests/install-deps.sh e2e)" >&2; exit 1; }
done

packages=${REJOIN_BIN_DIR:?}/../npm
mkdir -p "$packages" || exit 1
packages=$(cd "$packages" && pwd)
(
    flock 9  # another test may be at it
    if ! cmp -s "$e2e/package-lock.json" "$packages/installed.json"; then
        cp "$e2e/package.json" "$e2e/package-lock.json" "$packages/" || exit 1
        if ! (cd "$packages" && npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1 </dev/null); then
            cat "$packages/npm.log" >&2
            exit 1
        fi
        cp "$e2e/package-lock.json" "$packages/installed.json" || exit 1
    fi
) 9>"$packages/lock" || exit 1
export NPM_MODULES=$packages/node_modules

driver=
end_driver() {
    # The driver ends what it has started, also on this signal.
    if [ -n "$driver" ] && kill -TERM "$driver" 2>/dev/null; then wait "$driver" 2>/dev/null; fi
    rm -rf "$REJOIN_E2E_SCRATCH"
}

run_driver() {
    REJOIN_E2E_SCRATCH=$(mktemp -d) || exit 1
    export REJOIN_E2E_SCRATCH
    trap end_driver EXIT
    trap 'exit 143' TERM INT
    node "$e2e/$1" &
    driver=$!
    wait "$driver"
    local status=$?
    driver=
    return "$status"
}
