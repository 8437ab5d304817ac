"""GET with python3-requests, the body to stdout as it comes: http_get.py URL [NAME: VALUE]...

Exits with 0 at an orderly end, and with 18, as curl does, when the body was cut.
"""

import sys

import requests

headers = dict(field.split(": ", 1) for field in sys.argv[2:])
with requests.get(sys.argv[1], headers=headers, stream=True, timeout=30) as response:
    response.raise_for_status()
    try:
        for data in response.iter_content(None):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except requests.exceptions.ChunkedEncodingError:
        sys.exit(18)
