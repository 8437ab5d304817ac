#!/usr/bin/env bash
# Chromium's own EventSource behind the proxy, cut on both sides.
set -u
command -v chromium >/dev/null || { echo "chromium is missing (tests/install-deps.sh e2e)" >&2; exit 1; }
# shellcheck source=tests/e2e/npm.sh
. "$(dirname "${BASH_SOURCE[0]}")/npm.sh"
run_driver chromium.mjs
