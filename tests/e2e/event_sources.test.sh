#!/usr/bin/env bash
# npm's EventSource and fetch-event-source behind the proxy, cut on both sides; npm's better-sse as the upstream, too.
set -u
# shellcheck source=tests/e2e/npm.sh
. "$(dirname "${BASH_SOURCE[0]}")/npm.sh"
run_driver event_sources.mjs
