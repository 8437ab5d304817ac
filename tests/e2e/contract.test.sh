#!/usr/bin/env bash
# The client as a language-neutral harness drives it: parsing, HTTP, reconnecting, commands, through contract-service.
# labels: smoke
set -u
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/contract.py" "$@"
