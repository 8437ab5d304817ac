#!/usr/bin/env bash
# rejoin-proxy's access log: a line for each request and stream, what stands in it and what must not, and where it goes.
set -u
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/access_log.py" "$@"
