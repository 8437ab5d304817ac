#!/usr/bin/env bash
# intercepting-proxy between curl and a scripted upstream: redaction, token counts, event types, headers.
# labels: smoke
set -u
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/interceptors.py" "$@"
