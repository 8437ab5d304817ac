"""rejoin-proxy's configuration file and its admin pages. Arguments: names of the checks to run; none: all."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

from harness import SOURCE, expect, equal, program, run, wait_until

EXAMPLE = os.path.join(SOURCE, "examples", "rejoin-proxy.toml")

# Each line that is wrong ends in a comment: columns and words of what must be said of it, in order.
BAD = """
listen = "nowhere"                      # 10 'nowhere'
admin = 3                               # 9 string
max_client = 1                          # 1 'max_client' | 'max_clients' meant
max_clients = 0                         # 15 1 at least
drain = "5 apples"                      # 9 ' apples'
[access_log]                            # 1 path is missing
colour = true                           # 1 'colour'
[[key]]
id = "a"
secret = "00112233"                     # 10 4 bytes
[[key]]
id = "a"                                # 6 another key
secret = "xy"                           # 10 hexadecimal
[[key]]
id = "b!"                               # 6 letters and digits
file = "none.key"                       # 8 'none.key' can't be read
[[key]]                                 # 1 either secret or file
id = "c"
[defaults]
backoff_base = "40s"                    # 16 longer than the backoff_cap of 30s
hearbeat = "15s"                        # 1 'heartbeat' meant
log_bytes = "2MB"                       # 13 'MB'
[[route]]
prefix = "api"                          # 10 begin with /
host = "a.example:80"                   # 8 without port
upstreams = ["http://u", "ftp://x", 3, "http://u/", "http://a:b@c", "http://x/?q"] # 26 'ftp://x' | 37 string | 40 twice | 53 password | 69 query
[[route]]
prefix = "/a"
upstreams = []                          # 13 is empty
post = "mcp"
detach = true                           # 1 unknown
principal = { headers = ["X Y", "Cookie", "cookie"], cookies = ["c"] } # 13 Mcp-Session-Id | 26 'X Y' | 43 twice | 64 all cookies
[[route]]                               # 1 upstreams: is missing
prefix = "/%61"                         # 10 same prefix and host
gap = "maybe"                           # 7 'continue', 'oldest', '410'
gap_event = "a\\nb"                     # 13 line break
retry = 250                             # 9 "250ms"
linger = "10"                           # 10 unit
log_events = 2.5                        # 14 whole number
max_event = -1                          # 13 negative
max_line = true                         # 12 "1MiB"
sharing = ["own"]                       # 11 string
post = "llm"                            # 8 'cut', 'resume', 'mcp', 'detach'
forward_comments = "yes"                # 20 true or false
[[route]]
prefix = "/b"
upstreams = ["http://u"]
ids = "passthrough"                     # 7 own ids
post = "detach"
log_bytes = "2MiB"                      # 13 more than log_bytes_total
log_bytes_total = "1MiB"
""".lstrip()


def check(text, bench, name="proxy.toml"):
    path = os.path.join(bench.scratch, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path, subprocess.run([program("rejoin-proxy"), "--config", path, "--check"], capture_output=True, text=True, timeout=20, check=False)


def route(more="", upstream="http://127.0.0.1:1", prefix="/"):
    return f'[[route]]\nprefix = "{prefix}"\nupstreams = ["{upstream}"]\n{more}\n'


def refused(bench, text, *words):
    path, result = check(text, bench)
    equal(result.returncode, 1, f"exit code with {text!r}: {result.stderr}")
    expect(result.stderr.startswith(path + ":"), "names the file:", result.stderr)
    for word in words:
        expect(word in result.stderr, f"tells of {word!r}:", result.stderr)


def good_files(bench):
    result = subprocess.run([program("rejoin-proxy"), "--config", EXAMPLE, "--check"], capture_output=True, text=True, timeout=20, check=False)
    equal((result.returncode, result.stderr), (0, ""), "the example that comes with the program")
    for text in (route(), route('log_bytes = 4096\nlog_bytes_total = 0\nmax_line = "1.5KiB"\nheartbeat = "0"\nhost = "*.example.com"'),
                 '[defaults]\npost = "detach"\n' + route() + route('post = "cut"\nid_order = "ulid"', prefix="/x")):
        path, result = check(text, bench)
        equal((result.returncode, result.stderr), (0, ""), f"a good file:\n{text}")
        expect(path in result.stdout, "says so:", result.stdout)


def bad_file(bench):
    """Everything that is wrong is told at once, where it stands, and nothing else is."""
    path, result = check(BAD, bench)
    equal(result.returncode, 1, "exit code")
    told = []
    for line in result.stderr.splitlines():
        match = re.fullmatch(re.escape(path) + r":(\d+):(\d+): (.+)", line)
        expect(match, "file, line, column and reason:", repr(line))
        told.append((int(match[1]), int(match[2]), match[3]))
    expected = []
    for number, line in enumerate(BAD.splitlines(), 1):
        for part in line.partition(" # ")[2].split(" | ") if " # " in line else ():
            column, _, words = part.strip().partition(" ")
            if column.isdigit():
                expected.append((number, int(column), words))
            else:  # more words for the one before
                expected.append((number, expected[-1][1], part.strip()))
    for number, column, words in expected:
        expect(any(told_line == number and told_column == column and words in reason for told_line, told_column, reason in told),
               f"line {number}, column {column}: {words!r} in:\n", result.stderr)
    equal(sorted({place[:2] for place in told}), sorted({place[:2] for place in expected}), "the places told of")
    equal(told, sorted(told, key=lambda place: place[:2]), "the order")


def broken_files(bench):
    refused(bench, "a = 1\nb = [1,\n", ":2:")
    refused(bench, route() + "prefix = '/'\n", ":5:")
    refused(bench, "", "[[route]]")
    refused(bench, "route = 3\n", ":1:9: ", "[[route]]")
    refused(bench, "route = []\n", "at least one")
    refused(bench, route('ids = "sealed"'), ":4:7: ", "[[key]]")
    refused(bench, 'listen = "127.0.0.1:80"\nadmin = "127.0.0.1:80"\n' + route(), ":2:9: ", "same address")
    refused(bench, route('backoff_base = "2s"\nbackoff_cap = "1s"'), ":4:16: ", "backoff_cap of 1s")
    for missing in (bench.scratch, os.path.join(bench.scratch, "none.toml")):
        result = subprocess.run([program("rejoin-proxy"), "--config", missing, "--check"], capture_output=True, text=True, timeout=20, check=False)
        equal((result.returncode, result.stderr.startswith(missing)), (1, True), f"a file that is none: {result.stderr}")
    # What is refused by --check is not served either.
    path, _ = check(route("nonsense = 1"), bench)
    result = subprocess.run([program("rejoin-proxy"), "--config", path], capture_output=True, text=True, timeout=20, check=False)
    expect(result.returncode == 1 and "nonsense" in result.stderr, "a bad file is not served:", result)


def secrets(bench):
    """Keys come from a file beside the configuration, and nothing that may be a secret is printed."""
    secret = "0123456789abcdef" * 4
    with open(os.path.join(bench.scratch, "k.key"), "w", encoding="ascii") as file:
        file.write(secret + "\n")
    keys = f'[[key]]\nid = "k2"\nfile = "k.key"\n[[key]]\nid = "k1"\nsecret = "{secret}"\n'
    _, result = check(keys + route(), bench)
    equal((result.returncode, result.stderr), (0, ""), "two keys")
    for text in (keys.replace('"\n[[', 'zz"\n[[') + route(), f'[[key]]\nid = "k"\nsecret = "{secret}0"\n' + route(),
                 route(upstream=f"http://user:{secret}@host"), route(upstream=f"http://user:{secret}@ho st")):
        _, result = check(text, bench)
        equal(result.returncode, 1, f"exit code with\n{text}")
        expect("0123456789abcdef" not in result.stderr + result.stdout, "a secret is printed:", result.stderr)


def get(url, host=None):
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def serve(bench, text):
    """A proxy with that configuration; its admin address."""
    path, result = check('listen = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndrain = "2s"\n' + text, bench)
    equal((result.returncode, result.stderr), (0, ""), "the configuration")
    proxy = bench.start("rejoin-proxy", "--config", path)
    line = proxy.process.stdout.readline().decode()
    expect(line.startswith("admin on http://"), "the admin listener's address:", repr(line))
    return proxy, line.removeprefix("admin on ").strip()


def routes(bench):
    one, two, three = (bench.flaky("--events", str(count), "--rate", "0", "--after-last", "204") for count in (1, 2, 3))
    proxy, admin = serve(bench, route(upstream=one.address, prefix="/a") + route(upstream=two.address, prefix="/a/b")
                         + route('host = "*.example.com"', upstream=three.address))

    def events(path, host):
        result = subprocess.run([program("rejoin-follow"), "-H", "Host: " + host, "--backoff-base", "10ms", proxy.address + path],
                                capture_output=True, text=True, timeout=20, check=False)
        return len(result.stdout.splitlines()) if result.returncode == 0 else None

    for path, host, count in (("/a", "h", 1), ("/a/x", "h", 1), ("/a/b", "h", 2), ("/a/%62", "h", 2), ("/a/x/../%62", "h", None), ("/a", "x.example.com:1", 3)):
        equal(events(path, host), count, f"events at {path} of {host}")
    equal(get(proxy.address + "/ab", "h")[0], 404, "the status where there is no route")
    metrics = get(admin + "/metrics")[2]
    expect(re.search(r'^rejoin_events_total\{route="/a/b"\} 4$', metrics, re.M), "two streams of two events:", metrics)
    expect(re.search(r'^rejoin_events_total\{route="\*\.example\.com/"\} 3$', metrics, re.M), "a route with a host:", metrics)
    equal(proxy.stop(), 0, "exit code")


def admin_pages(bench):
    server = bench.flaky("--rate", "100")
    proxy, admin = serve(bench, route(upstream=server.address))
    equal(get(admin + "/healthz")[0], 200, "/healthz")
    equal(get(admin + "/readyz")[0], 200, "/readyz")
    equal(get(admin + "/")[0], 404, "any other page")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
        expect(b"200 OK" in client.recv(4096), "the stream opens")
        status, fields, metrics = get(admin + "/metrics")
        equal((status, fields["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"), "/metrics")
        expect(re.search(r'^rejoin_streams\{route="/"\} 1$', metrics, re.M), "one stream:", metrics)
        expect("/stream" not in metrics, "no label tells of a stream:", metrics)
        if shutil.which("promtool"):
            result = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True, timeout=20, check=False)
            equal((result.returncode, result.stdout + result.stderr), (0, ""), "promtool check metrics")
        else:
            print("(no promtool) ", end="")
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: get(admin + "/readyz")[0] == 503, 5, "/readyz says no while draining")
        equal(get(admin + "/healthz")[0], 200, "/healthz while draining")
        while client.recv(4096):
            pass
    equal(proxy.wait(), 0, "exit code")


CHECKS = [good_files, bad_file, broken_files, secrets, routes, admin_pages]


def main(names):
    help_text = subprocess.run([program("rejoin-proxy"), "--help"], capture_output=True, text=True, timeout=20, check=False).stdout
    if "--config" not in help_text:
        print("skipped: rejoin-proxy was built without a TOML library")
        return 0
    failed = []
    for one in CHECKS:
        if names and one.__name__ not in names:
            continue
        print(f"{one.__name__}: ", end="", flush=True)
        if run(one) != 0:
            failed.append(one.__name__)
    if failed:
        print("FAILED:", *failed, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
