#!/usr/bin/env bash
# rejoin-follow over TLS: certificates, cuts, restarts and proxies, with openssl's server, nginx and Python's ssl as peers.
set -u
for needed in nginx:/usr/sbin/nginx nchan:/usr/lib/nginx/modules/ngx_nchan_module.so; do
    [ -e "${needed#*:}" ] || { echo "${needed%%:*} is missing (tests/install-deps.sh e2e)" >&2; exit 1; }
done
command -v openssl >/dev/null || { echo "openssl is missing (tests/install-deps.sh e2e)" >&2; exit 1; }
# Built without OpenSSL, the program knows none of the flags.
if ! "${REJOIN_BIN_DIR:?}/rejoin-follow" --help | grep -q -- --cacert; then
    echo "rejoin-follow was built without TLS: nothing to test"
    exit 0
fi
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/tls.py" "$@"
