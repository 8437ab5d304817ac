#!/usr/bin/env bash
# Thousands of clients that come and go, floods and readers that stop: descriptors and memory of the proxy return, and keep to bounds.
# labels: alone
set -u
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/soak.py" "$@"
