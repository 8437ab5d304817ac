#!/usr/bin/env bash
# The official MCP TypeScript SDK behind and before the proxy, cut on both sides.
set -u
# shellcheck source=tests/e2e/npm.sh
. "$(dirname "${BASH_SOURCE[0]}")/npm.sh"
run_driver mcp.mjs
