#!/usr/bin/env bash
# Debian's nginx with nchan as the hub, curl as the client, the proxy between them, and cuts on both sides.
set -u
for needed in nginx:/usr/sbin/nginx nchan:/usr/lib/nginx/modules/ngx_nchan_module.so curl:/usr/bin/curl; do
    [ -e "${needed#*:}" ] || { echo "${needed%%:*} is missing (tests/install-deps.sh e2e)" >&2; exit 1; }
done
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/nchan_curl.py"
