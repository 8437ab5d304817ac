#!/usr/bin/env bash
# Every way an upstream ends and goes on, whoever is there; what a resume may be answered with; outages, POSTs, isolation, restarts.
set -u
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/faults.py" "$@"
