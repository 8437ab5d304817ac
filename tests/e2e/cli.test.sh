#!/usr/bin/env bash
# The programs' command lines: exit codes, messages, output, signals, limits.
set -u
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/cli.py" "$@"
