#!/usr/bin/env bash
# The npm clients of OpenAI and Anthropic behind the proxy: what an answer costs is paid once, and a cut one is not whole.
set -u
# shellcheck source=tests/e2e/npm.sh
. "$(dirname "${BASH_SOURCE[0]}")/npm.sh"
run_driver completions.mjs
