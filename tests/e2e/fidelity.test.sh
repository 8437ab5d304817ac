#!/usr/bin/env bash
# The proxy between a server that keeps cutting and 50 clients that keep leaving: each sees 1..1000 once, in order.
# labels: slow
set -u
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/fidelity.py"
