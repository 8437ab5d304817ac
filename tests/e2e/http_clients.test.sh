#!/usr/bin/env bash
# Debian's curl and python3-requests behind the proxy: clients that know nothing of event streams.
set -u
command -v curl >/dev/null || { echo "curl is missing (tests/install-deps.sh e2e)" >&2; exit 1; }
python=/usr/bin/python3
[ -x "$python" ] || python=python3
"$python" -c 'import requests' 2>/dev/null || { echo "python3-requests is missing (tests/install-deps.sh e2e)" >&2; exit 1; }
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/http_clients.py"
