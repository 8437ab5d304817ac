"""What the programs promise on their command lines. Arguments: names of the checks to run; none: all."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from event_stream import Parser, Response
from harness import SOURCE, Failure, equal, expect, program, run, wait_until

PROXY_FLAGS = """--listen --upstream --backoff-base --backoff-cap --connect-timeout --response-timeout --header-timeout
    --keep-alive --idle-timeout --heartbeat --retry --linger --max-outage --log-events --log-bytes --ids --gap --max-clients
    --quiet --verbose --help --version""".split()


def call(name, *arguments, stdin=b"", seconds=20):
    try:
        return subprocess.run([program(name), *arguments], input=stdin, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as expired:
        raise Failure(f"{name} {' '.join(arguments)} did not end within {seconds} s; it printed {expired.stdout!r}") from None


def text(data):
    return data.decode(errors="replace")


class Recorder:
    """A server for one request after another: keeps what it got, answers with given bytes, closes."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        for answer in self.answers:
            connection, _ = self.listener.accept()
            with connection:
                connection.settimeout(10)
                got = b""
                while b"\r\n\r\n" not in got:
                    got += connection.recv(65536)
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)", got)
                body = int(length[1]) if length else 0
                while len(got.partition(b"\r\n\r\n")[2]) < body:
                    got += connection.recv(65536)
                self.requests.append(got)
                connection.sendall(answer)


def stream_of(*events, end=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(events) + end


NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def exchange(port, data, seconds=10):
    """Sends raw bytes; all that comes back until the peer closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                got += part
        return got


def refused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# --- rejoin-follow ---


def follow_finishes(bench):
    server = bench.flaky("--events", "5", "--rate", "0", "--after-last", "204")
    result = call("rejoin-follow", server.address)
    equal(result.returncode, 0, "exit code")
    equal([line.split()[0] for line in text(result.stdout).splitlines()], ["1", "2", "3", "4", "5"], "data on stdout")
    expect("opened: 200" in text(result.stderr), "lifecycle on stderr:", text(result.stderr))
    quiet = call("rejoin-follow", "--quiet", server.address)
    equal((quiet.returncode, quiet.stderr, quiet.stdout), (0, b"", result.stdout), "--quiet")


def follow_json(bench):
    server = bench.flaky("--events", "3", "--rate", "0", "--after-last", "204", "--size", "8")
    result = call("rejoin-follow", "--json", server.address)
    equal(result.returncode, 0, "exit code")
    events = [json.loads(line) for line in text(result.stdout).splitlines()]
    equal([list(event) for event in events], [["id", "event", "data", "last_event_id"]] * 3, "fields")
    equal([event["id"] for event in events], ["1", "2", "3"], "ids")
    equal([event["last_event_id"] for event in events], ["1", "2", "3"], "last event ids")
    recorder = Recorder(stream_of(b"data: a\n\n", b"id: x\nevent: tick\ndata: b\ndata: \"c\"\n\n", "data: d\u00e9 \ufffd\n\n".encode(),
                                  b"data: \xff\n\n"), NO_CONTENT)
    result = call("rejoin-follow", "--json", "--backoff-base", "10ms", recorder.address)
    equal(result.returncode, 0, "exit code")
    equal([json.loads(line) for line in result.stdout.decode().splitlines()], [
        {"id": None, "event": "message", "data": "a", "last_event_id": ""},
        {"id": "x", "event": "tick", "data": "b\n\"c\"", "last_event_id": "x"},
        {"id": None, "event": "message", "data": "d\u00e9 \ufffd", "last_event_id": "x"},
        {"id": None, "event": "message", "data": "\ufffd", "last_event_id": "x"},
    ], "events with and without ids")
    expect(b"\r\nlast-event-id: x\r\n" in recorder.requests[1].lower(), "the reconnect carries the cursor:", recorder.requests[1])


def follow_limits(bench):
    server = bench.flaky("--rate", "500")
    result = call("rejoin-follow", "--json", "--max-events", "3", "--last-event-id", "40", server.address)
    equal(result.returncode, 0, "exit code of --max-events")
    equal([json.loads(line)["id"] for line in text(result.stdout).splitlines()], ["41", "42", "43"], "--last-event-id and --max-events")


def follow_request(bench):
    recorder = Recorder(stream_of(b"data: a\n\n"), NO_CONTENT)
    result = call("rejoin-follow", "-H", "X-Test: one two", "--header", "Authorization: Bearer t", "--max-events", "1",
                  recorder.address + "/path?query=1")
    equal(result.returncode, 0, "exit code")
    request = recorder.requests[0]
    expect(request.startswith(b"GET /path?query=1 HTTP/1.1\r\n"), "request line:", request)
    for field in (b"\r\nX-Test: one two\r\n", b"\r\nAuthorization: Bearer t\r\n", b"\r\nAccept: text/event-stream\r\n"):
        expect(field in request, f"{field!r} in", request)
    recorder = Recorder(stream_of(b"id: 1\ndata: a\n\n"))
    result = call("rejoin-follow", "--method", "POST", "--body", '{"a":1}', "-H", "Content-Type: application/json", recorder.address)
    expect(recorder.requests[0].startswith(b"POST / HTTP/1.1\r\n"), "request line:", recorder.requests[0])
    expect(recorder.requests[0].endswith(b'\r\n\r\n{"a":1}'), "body:", recorder.requests[0])
    equal(text(result.stdout), "a\n", "the answer to the POST")
    expect(result.returncode in (0, 3), "exit code behind a POST stream without framing:", result.returncode)


def follow_post_is_not_repeated(bench):
    server = bench.flaky("--events", "50", "--rate", "500", "--cut-events", "10", "--end", "truncated")
    cutting = bench.proxy(server.address, "--backoff-base", "10ms", "--post", "cut")
    resuming = bench.proxy(server.address, "--backoff-base", "10ms")
    for address, code, events in ((server.address, 3, 10), (cutting.address, 3, 10), (resuming.address, 0, 50)):
        result = call("rejoin-follow", "--method", "POST", "--body", "pay", "--backoff-base", "10ms", "--max-events", "50", address + "/pay")
        equal(result.returncode, code, "exit code for a POST stream that was cut")
        equal(len(result.stdout.splitlines()), events, "events")
    server.stop()
    summary = json.loads(server.errors().splitlines()[-1])
    equal(summary["posts"], 3, "POSTs that arrived, of three sent")


def follow_usage(bench):
    for arguments, word in ((["--nonsense", "http://127.0.0.1:1/"], "nonsense"), ([], "url"), (["not-a-url"], "not-a-url"), (["ftp://host/"], "ftp"),
                            (["-H", "nocolon", "http://127.0.0.1:1/"], "nocolon"),
                            (["--backoff-base", "12", "http://127.0.0.1:1/"], "backoff-base"),
                            (["--max-events", "x", "http://127.0.0.1:1/"], "max-events")):
        result = call("rejoin-follow", *arguments)
        equal(result.returncode, 1, f"exit code of rejoin-follow {arguments}: {text(result.stderr)}")
        expect(word in text(result.stderr + result.stdout), f"{arguments}: the message names {word!r}:", text(result.stderr))
    result = call("rejoin-follow", "--help")
    equal(result.returncode, 0, "--help")
    for flag in ("--json", "--header", "--last-event-id", "--max-events", "--method", "--body", "2 refused", "3 gave up"):
        expect(flag in text(result.stdout), f"--help tells of {flag}")
    expect(re.match(r"rejoin-follow \d+\.\d+\.\d+", text(call("rejoin-follow", "--version").stdout)), "--version")


def follow_refused(bench):
    server = bench.flaky()
    for path, word in (("/status/404", "404"), ("/plain", "200"), ("/status/401", "401")):
        result = call("rejoin-follow", server.address + path)
        equal(result.returncode, 2, f"exit code at {path}")
        message = [line for line in text(result.stderr).splitlines() if line.startswith("rejoin-follow: ")]
        expect(len(message) == 1 and word in message[0], f"the message at {path}:", text(result.stderr))


def follow_gives_up(bench):
    address = f"http://127.0.0.1:{refused_port()}/"
    for limit in (("--max-attempts", "3"), ("--max-outage", "300ms")):
        result = call("rejoin-follow", "--backoff-base", "10ms", *limit, address)
        equal(result.returncode, 3, f"exit code with {limit}")
        expect(text(result.stderr).splitlines()[-1].startswith("rejoin-follow: "), "the message:", text(result.stderr))


def follow_signal(bench):
    server = bench.flaky("--rate", "100")
    follower = bench.foreign(program("rejoin-follow"), server.address)
    wait_until(lambda: "opened" in follower.errors(), 10, "the stream opens")
    equal(follower.stop(), 0, "exit code at SIGTERM")


# --- rejoin-proxy ---


def proxy_usage(bench):
    good = ("--upstream", "http://127.0.0.1:1")
    for arguments, word in (([], "upstream"), ([*good, "--nonsense"], "nonsense"), ([*good, "--listen", "nowhere"], "listen"),
                            (["--upstream", "nonsense"], "upstream"), (["--upstream", "ftp://127.0.0.1"], "ftp"),
                            ([*good, "--linger", "5"], "linger"), ([*good, "--linger", "5 apples"], "linger"),
                            ([*good, "--ids", "odd"], "ids"), ([*good, "--gap", "odd"], "gap"),
                            ([*good, "--max-clients", "-1"], "max-clients"), ([*good, "--log-events", "many"], "log-events"),
                            ([*good, "--quiet", "--verbose"], "quiet")):
        result = call("rejoin-proxy", "--listen", "127.0.0.1:0", *arguments, seconds=5) if "--listen" not in arguments else \
            call("rejoin-proxy", *arguments, seconds=5)
        message = text(result.stderr + result.stdout)
        equal(result.returncode, 1, f"exit code of rejoin-proxy {arguments}: {message}")
        expect(word in message, f"{arguments}: the message names {word!r}:", message)
    result = call("rejoin-proxy", "--help")
    equal(result.returncode, 0, "--help")
    for flag in PROXY_FLAGS:
        expect(re.search(rf"{flag}\b", text(result.stdout)), f"--help tells of {flag}")
    expect(re.match(r"rejoin-proxy \d+\.\d+\.\d+", text(call("rejoin-proxy", "--version").stdout)), "--version")


def proxy_address(bench):
    first = bench.proxy("http://127.0.0.1:1")
    expect(re.fullmatch(r"http://127\.0\.0\.1:\d+", first.address) and first.port > 0, "the address:", first.address)
    expect(exchange(first.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 502 "), "it listens there")
    taken = call("rejoin-proxy", "--listen", f"127.0.0.1:{first.port}", "--upstream", "http://127.0.0.1:1", seconds=5)
    expect(taken.returncode != 0 and b"rejoin-proxy: " in taken.stderr, "a port that is taken:", taken)
    equal(first.stop(), 0, "exit code")
    for _ in range(10):
        at_once = bench.proxy("http://127.0.0.1:1")
        equal(at_once.stop(), 0, "exit code at SIGTERM right behind the address")


def proxy_limits(bench):
    server = bench.flaky()
    proxy = bench.proxy(server.address, "--header-timeout", "300ms", "--keep-alive", "600ms")
    for data, status in ((b"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + b"a" * 40_000 + b"\r\n\r\n", b"431"),
                         (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 200 + b"\r\n", b"431"),
                         (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
                         (b"GET / HTTP/1.1\r\nHost: x\r\n", b"408"),
                         (b"GET / HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n", b"400"),
                         (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
                         (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", b"400"),
                         (b"nonsense\r\n\r\n", b"400")):
        answer = exchange(proxy.port, data)
        expect(answer.startswith(b"HTTP/1.1 " + status + b" "), f"{data[:70]!r}: {status.decode()} in", answer[:200])
    begin = time.monotonic()
    equal(exchange(proxy.port, b""), b"", "an idle connection is closed without a word")
    expect(time.monotonic() - begin < 5, "an idle connection is closed after --keep-alive")
    fine = exchange(proxy.port, b"GET /plain/" + b"7" + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Large: " + b"a" * 20_000 + b"\r\n\r\n")
    expect(fine.startswith(b"HTTP/1.1 200 "), "a large head within the limit:", fine[:200])


def proxy_max_clients(bench):
    server = bench.flaky("--rate", "50")
    proxy = bench.proxy(server.address, "--max-clients", "2")
    streams = [bench.foreign(program("rejoin-follow"), proxy.address + f"/{i}") for i in range(2)]
    wait_until(lambda: all("opened" in one.errors() for one in streams), 10, "two streams open")
    answer = exchange(proxy.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    expect(answer.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in answer, "the third client:", answer[:300])


async def drained_clients(bench):
    server = bench.flaky("--rate", "200")
    proxy = bench.proxy(server.address, "--drain", "1s")
    streams = [await Response.open(proxy.port, f"/{i}") for i in range(20)]
    parsers = [Parser() for _ in streams]
    seen = [0] * len(streams)

    async def read(i):
        async for piece in streams[i].pieces():
            seen[i] += len(parsers[i].feed(piece))

    readers = [asyncio.ensure_future(read(i)) for i in range(len(streams))]
    deadline = time.monotonic() + 10
    while min(seen) < 5:
        expect(time.monotonic() < deadline, "the streams run:", seen)
        await asyncio.sleep(0.01)
    begin = time.monotonic()
    proxy.signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*readers), 10)
    took = time.monotonic() - begin
    expect(all(one.ended_clean for one in streams), "every response ends in the orderly way")
    retries = [parser.retry for parser in parsers]
    expect(all(retry is not None and 500 <= retry <= 3000 for retry in retries), "every client is told when to come back:", retries)
    expect(len(set(retries)) > 5, "the returns are spread:", retries)
    code = await asyncio.to_thread(proxy.wait)
    equal(code, 0, "exit code at SIGTERM")
    expect(0.3 < took < 4, f"the clients were let go over {took:.1f} s, asked for 1 s")
    expect(time.monotonic() - begin < 6, f"the end took {time.monotonic() - begin:.1f} s, asked for 1 s")


def proxy_drain(bench):
    asyncio.run(drained_clients(bench))


async def second_signal(bench):
    server = bench.flaky("--rate", "20")
    proxy = bench.proxy(server.address, "--drain", "60s")
    streams = [await Response.open(proxy.port, f"/{i}") for i in range(10)]
    proxy.signal(signal.SIGTERM)
    deadline = time.monotonic() + 10
    while True:  # until it listens no more
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.close()
        except OSError:
            break
        expect(time.monotonic() < deadline, "it still accepts connections behind SIGTERM")
        await asyncio.sleep(0.01)
    expect(proxy.process.poll() is None, "it ended at once, with streams open and a drain of 60 s")
    begin = time.monotonic()
    proxy.signal(signal.SIGTERM)
    equal(await asyncio.to_thread(proxy.wait, 5), 0, "exit code at the second SIGTERM")
    expect(time.monotonic() - begin < 2, "the second SIGTERM ends it at once")
    for one in streams:
        one.close()


def proxy_second_signal(bench):
    asyncio.run(second_signal(bench))


def proxy_unreachable(bench):
    proxy = bench.proxy(f"http://127.0.0.1:{refused_port()}", "--connect-timeout", "500ms")
    answer = exchange(proxy.port, b"GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
    expect(answer.startswith(b"HTTP/1.1 502 ") and b"\r\nConnection: close\r\n" in answer, "a stream that was never there:", answer[:300])
    # Who comes back is let in and held open: a status would end an EventSource for good.
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: 7\r\n\r\n")
        answer = connection.recv(65536)
        expect(answer.startswith(b"HTTP/1.1 200 ") and b"text/event-stream" in answer, "a client that comes back:", answer[:300])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = bench.proxy(f"http://127.0.0.1:{silent.getsockname()[1]}", "--response-timeout", "300ms")
        answer = exchange(slow.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(answer.startswith(b"HTTP/1.1 504 "), "an upstream that does not answer:", answer[:300])


def proxy_minted_ids(bench):
    server = bench.flaky("--events", "60", "--rate", "300", "--ids", "none", "--after-last", "hold")
    proxy = bench.proxy(server.address)
    first = call("rejoin-follow", "--json", "--quiet", "--max-events", "10", proxy.address)
    events = [json.loads(line) for line in text(first.stdout).splitlines()]
    expect(len(events) == 10 and all(event["id"] for event in events), "ids where the upstream sends none:", events)
    rest = call("rejoin-follow", "--json", "--quiet", "--max-events", "50", "--last-event-id", events[-1]["id"], proxy.address)
    numbers = [json.loads(line)["data"].split()[0] for line in text(rest.stdout).splitlines()]
    equal(numbers, [str(n) for n in range(11, 61)], "what follows a minted id")


# --- sse-to-json ---


def to_json(mode, data, *options):
    result = call("sse-to-json", *options, *mode, stdin=data)
    equal(result.returncode, 0, f"exit code of sse-to-json {mode}: {text(result.stderr)}")
    return [json.loads(line) for line in text(result.stdout).splitlines()]


def json_modes(bench):
    data = "\ufeff: hi\ndata: \u00e9\ndata: b\r\nid: 7\rretry: 30\n\nevent: t\ndata: c\n\n\ndata: \n\ndata: lost".encode() + b"\xff\n"
    without_at = lambda lines: [{key: value for key, value in line.items() if key != "at"} for line in lines]
    by_byte = to_json(["1"], data)
    first_end = data.index(b"\n\n") + 2
    equal(by_byte, [
        {"comment": " hi"},
        {"event": "message", "data": "\u00e9\nb", "id": "7", "retry": 30, "at": first_end},
        {"event": "t", "data": "c", "id": "7", "retry": 30, "at": data.index(b"c\n\n") + 3},
        {"event": "message", "data": "", "id": "7", "retry": 30, "at": data.index(b"data: \n\n") + 8},
        {"end": True, "id": "7", "retry": 30},
    ], "one byte at a time")
    for mode in ([], ["whole"], ["2"], ["7"], ["random:1"], ["random:2"], ["sizes:0,1,5,0,3"], ["sizes:4"]):
        equal(without_at(to_json(mode, data)), without_at(by_byte), f"mode {mode}")
    equal(to_json([], b""), [{"end": True, "id": "", "retry": None}], "no bytes")
    equal(to_json(["1"], b"data: a\r\r")[0]["at"], 9, "a CR ends its line at once")
    too_long = to_json([], b"data: " + b"a" * 100 + b"\n\n", "--max-line", "50")
    expect("error" in too_long[0] and too_long[-1]["end"] is True, "a parser that gives up:", too_long)
    for bad in ("odd", "0", "random:", "sizes:x", "-1"):
        equal(call("sse-to-json", bad).returncode, 1, f"exit code of mode {bad!r}")


def json_batch(bench):
    path = os.path.join(SOURCE, "tests", "cases", "parser-vectors.json")
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    with subprocess.Popen([program("sse-to-json"), "batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as batch:
        for vector in vectors:
            chunks = [bytes.fromhex(chunk) for chunk in vector["chunks_hex"]]
            data = b"".join(chunks)
            modes = ["whole", "1", "2", "3", "random:5", "sizes:" + ",".join(str(len(chunk)) for chunk in chunks)]
            for mode in modes:
                batch.stdin.write(f"{mode} {len(data)}\n".encode() + data)
                batch.stdin.flush()
                lines = []
                while not lines or "end" not in lines[-1]:
                    line = batch.stdout.readline()
                    expect(line, f"sse-to-json batch ended at {vector['name']}, {mode}")
                    lines.append(json.loads(line))
                events = [{"type": line["event"], "data": line["data"], "last_event_id": line["id"]} for line in lines if "event" in line]
                equal(events, vector["events"], f"vector {vector['name']}, {mode}")
        batch.stdin.close()
        equal(batch.wait(10), 0, "exit code of batch")


# --- gateway ---


def gateway_redacts(bench):
    recorder = Recorder(stream_of(b'id: 1\ndata: {"user":7,"email":"someone@example.org"}\n\n', b'id: 2\ndata: {"user":8}\n\n'), NO_CONTENT)
    gateway = bench.start("gateway", "127.0.0.1:0", recorder.address)
    result = call("rejoin-follow", "--json", "--quiet", "--max-events", "2", gateway.address)
    equal([json.loads(line)["data"] for line in text(result.stdout).splitlines()],
          ['{"user":7,"email":"***"}', '{"user":8}'], "events through the gateway")
    equal(gateway.stop(), 0, "exit code of the gateway")
    usage = call("gateway")
    expect(usage.returncode == 1 and b"usage" in usage.stderr, "usage of the gateway:", usage)
    wrong = call("gateway", "127.0.0.1:0", "nonsense")
    expect(wrong.returncode != 0 and b"gateway: " in wrong.stderr, "a wrong upstream:", wrong)


CHECKS = [follow_finishes, follow_json, follow_limits, follow_request, follow_post_is_not_repeated, follow_usage, follow_refused,
          follow_gives_up, follow_signal, proxy_usage, proxy_address, proxy_limits, proxy_max_clients, proxy_drain,
          proxy_second_signal, proxy_unreachable, proxy_minted_ids, json_modes, json_batch, gateway_redacts]


def main(names):
    failed = []
    for check in CHECKS:
        if names and check.__name__ not in names:
            continue
        print(f"{check.__name__}: ", end="", flush=True)
        if run(check) != 0:
            failed.append(check.__name__)
    if failed:
        print("FAILED:", *failed, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
