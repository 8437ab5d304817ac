"""nginx with nchan -> cutter -> rejoin-proxy -> cutter -> curl.

nchan gives ids of its own (`unixtime:n`), replays behind Last-Event-ID, and ends its responses without any framing. curl
does not come back by itself: the driver starts it again with the last id that came through, as a person would.
"""

import asyncio
import contextlib
import hashlib
import http.client
import logging
import os
import re
import signal
import sys
import time

from cutter import Cutter
from event_stream import Parser
from harness import counters, die_with_the_test, equal, expect, run

MESSAGES = 200
INTERVAL = 0.05
UPSTREAM_CUTS = 5
CLIENT_CUTS = 3
LARGE = 300_000  # bytes of one message
STREAM = "/sub"

NGINX = """
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
{user}
daemon off;
worker_processes 1;
pid {scratch}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_max_body_size 16m;
    client_body_buffer_size 1m;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    default_type application/octet-stream;
    server {{
        listen unix:{scratch}/nginx.sock;
        location = /sub {{
            nchan_subscriber eventsource;
            nchan_channel_id numbers;
            nchan_subscriber_first_message oldest;
        }}
        location = /pub {{
            nchan_publisher;
            nchan_channel_id numbers;
            nchan_message_buffer_length 1000;
            nchan_message_timeout 10m;
        }}
        location / {{ root {scratch}/www; }}
    }}
}}
"""


async def until(condition, seconds, text):
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, f"not within {seconds} s: {text() if callable(text) else text}")
        await asyncio.sleep(0.01)


async def curl(*arguments):
    process = await asyncio.create_subprocess_exec("curl", "--silent", "--show-error", "--max-time", "20", *arguments,
                                                   stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                                                   stderr=asyncio.subprocess.STDOUT, preexec_fn=die_with_the_test)
    output, _ = await process.communicate()
    expect(process.returncode == 0, f"curl {' '.join(arguments)}: exit {process.returncode}:", output[:500])
    return output


class Follower:
    """curl in a loop."""

    def __init__(self, url):
        self.url = url
        self.events = []
        self.starts = 0
        self.exits = []
        self.last_id = ""

    async def run(self):
        while True:
            arguments = ["curl", "--silent", "--no-buffer", "--header", "Accept: text/event-stream"]
            if self.last_id:
                arguments += ["--header", f"Last-Event-ID: {self.last_id}"]
            self.starts += 1
            process = await asyncio.create_subprocess_exec(*arguments, self.url, stdin=asyncio.subprocess.DEVNULL,
                                                           stdout=asyncio.subprocess.PIPE, preexec_fn=die_with_the_test)
            parser = Parser(self.last_id)
            try:
                while data := await process.stdout.read(65536):
                    self.events += parser.feed(data)
                    self.last_id = parser.last_event_id
                self.exits.append(await process.wait())
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            await asyncio.sleep(0.05)


def start_nginx(bench, config):
    return bench.foreign("/usr/sbin/nginx", "-p", bench.scratch, "-e", "stderr", "-c", config, ending=signal.SIGTERM)


class Publisher:
    """Publishes over one connection through the proxy: regular requests with a body, one behind the other."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def _post(self, body):
        self.connection.request("POST", "/pub", body, {"Content-Type": "text/plain", "Accept": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    async def __call__(self, body):
        status, answer = await asyncio.to_thread(self._post, body)
        expect(status in (201, 202) and b"messages" in answer, "nchan's answer to a publication:", status, answer)


async def scenario(bench):
    config = os.path.join(bench.scratch, "nginx.conf")
    files = os.path.join(bench.scratch, "www")
    os.mkdir(files)
    os.chmod(bench.scratch, 0o755)
    with open(config, "w") as out:
        out.write(NGINX.format(scratch=bench.scratch, user="user root;" if os.geteuid() == 0 else ""))
    content = os.urandom(5_000_000)
    with open(os.path.join(files, "file.bin"), "wb") as out:
        out.write(content)

    nginx = start_nginx(bench, config)
    socket_path = os.path.join(bench.scratch, "nginx.sock")
    await until(lambda: os.path.exists(socket_path), 10, "nginx listens")
    upstream = await Cutter.to_unix(socket_path)
    proxy = bench.proxy(upstream.address, "--backoff-base", "50ms", "--backoff-cap", "500ms", "--retry", "300ms")
    client = await Cutter.to_tcp("127.0.0.1", proxy.port)

    # Regular requests.
    for path in ("file.bin", "none"):
        direct = await curl("--unix-socket", socket_path, "http://nginx/" + path)
        through = await curl(f"{client.address}/{path}")
        equal(hashlib.sha256(through).hexdigest(), hashlib.sha256(direct).hexdigest(), f"bytes of /{path} through the proxy")
    ranged = await curl("--include", "--range", "1000-1999", client.address + "/file.bin")
    expect(ranged.startswith(b"HTTP/1.1 206 "), "a range of a file:", ranged[:200])
    equal(ranged[-1000:], content[1000:2000], "a range of a file")
    head = await curl("--head", client.address + "/file.bin")
    expect(re.search(rb"(?i)^content-length: 5000000\r$", head, re.M), "HEAD of a file:", head)
    print("ok: a file of 5 MB, a range of it, its head and an error page pass unchanged")

    # Messages, and cuts between them.
    follower = Follower(client.address + STREAM)
    following = asyncio.ensure_future(follower.run())
    cuts = {"upstream": 0, "client": 0}
    upstream_at = {MESSAGES * (i + 1) // (UPSTREAM_CUTS + 1) for i in range(UPSTREAM_CUTS)}
    client_at = {MESSAGES * (i + 1) // (CLIENT_CUTS + 1) + 3 for i in range(CLIENT_CUTS)}
    publish = Publisher(proxy.port)
    begin = time.monotonic()
    for number in range(1, MESSAGES + 1):
        # One that does not fit into any buffer on the way.
        body = f"{number} " + ("x" * LARGE if number == MESSAGES // 2 else f"message {number}")
        await publish(body)
        if number in upstream_at or number in client_at:
            # The stream must run at that moment, or nothing would be cut.
            side = "upstream" if number in upstream_at else "client"
            cutter = upstream if side == "upstream" else client
            await until(lambda: len(follower.events) >= number - 20 and cutter.open > 0, 10,
                        lambda: f"the stream runs behind message {number}: {len(follower.events)} came")
            cuts[side] += 1 if cutter.cut() > 0 else 0
        await asyncio.sleep(max(0.0, begin + number * INTERVAL - time.monotonic()))
    await until(lambda: len(follower.events) >= MESSAGES, 15, lambda: f"message {MESSAGES} came; {len(follower.events)} did")

    numbers = [int(event["data"].split()[0]) for event in follower.events]
    equal(numbers, list(range(1, MESSAGES + 1)), "messages")
    equal(len(follower.events[MESSAGES // 2 - 1]["data"]), LARGE + len(f"{MESSAGES // 2} "), "bytes of the large message")
    ids = [event["id"] for event in follower.events]
    expect(all(re.fullmatch(r"\d+:\d+", one) for one in ids), "ids are nchan's own:", ids[:3])
    equal(len(set(ids)), MESSAGES, "different ids")
    equal(cuts, {"upstream": UPSTREAM_CUTS, "client": CLIENT_CUTS}, "cuts")
    equal(follower.starts, 1 + CLIENT_CUTS, "connections of the client: cuts upstream must not be its concern")
    print(f"ok: {MESSAGES} messages once and in order, {UPSTREAM_CUTS} cuts upstream, {CLIENT_CUTS} of the client "
          f"(curl's exits: {follower.exits})")

    # The hub goes away and comes back without its memory: the client's response stays open and goes on.
    nginx.stop()
    await until(lambda: not os.path.exists(socket_path), 5, "nginx is gone")
    upstream.cut()
    # Its ids are seconds and a count within the second: one that has forgotten the second would give the same again.
    last_second = int(follower.last_id.partition(":")[0])
    await until(lambda: time.time() >= last_second + 2, 5, "the next second")
    nginx = start_nginx(bench, config)
    await until(lambda: os.path.exists(socket_path), 10, "nginx listens again")
    await publish(f"{MESSAGES + 1} after the restart")
    await until(lambda: follower.events[-1]["data"].startswith(f"{MESSAGES + 1} "), 10,
                lambda: f"the message behind nginx's restart: {follower.events[-1]}")
    equal(follower.starts, 1 + CLIENT_CUTS, "connections of the client behind nginx's restart")
    print("ok: nginx stopped and started, the client's response went on")

    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    proxy.signal(signal.SIGTERM)
    equal(await asyncio.to_thread(proxy.wait), 0, "exit code of the proxy")
    count = counters(proxy.errors())
    equal(count["clients resumed from a log"], CLIENT_CUTS, "returns served from a log")
    client.down()
    upstream.down()
    nginx.stop()


def test(bench):
    asyncio.run(scenario(bench))


if __name__ == "__main__":
    # It warns of each child that was gone before its signal.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    sys.exit(run(test))
