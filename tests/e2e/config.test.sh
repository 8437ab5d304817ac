#!/usr/bin/env bash
# rejoin-proxy's configuration file: what --check says of good and bad ones, the routes it makes, the admin pages.
set -u
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/config.py" "$@"
