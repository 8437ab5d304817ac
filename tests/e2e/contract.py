"""The client through contract-service, as a language-neutral harness drives it. Arguments: groups to run; none: all."""

import asyncio
import json
import signal
import sys
import time
import traceback

import contract_control
import contract_http
import contract_parsing
import contract_reconnection
from contract_peers import DEADLINE, ContractBench, within
from harness import Failure, equal, expect, program, run

CAPABILITIES = ["bom", "comments", "headers", "last-event-id", "post", "read-timeout", "report", "restart",
                "server-directed-shutdown-request"]


# --- callbacks in order ---


async def slow_receiver(bench):
    stream = await bench.stream()
    stream.callbacks.hold()
    data = "x" * 65536
    connection = await stream.opened()
    for i in range(400):  # 26 MB, more than sockets hold
        connection.push(f"id: {i}\ndata: {data}\n\n: {i}\n")
    await stream.event(data, last_event_id="0")
    await bench.settle()
    equal(stream.callbacks.count, 1, "callbacks while the first is not answered")
    expect(connection.writer.transport.get_write_buffer_size() > 10_000_000, "the server is held up, too:",
           connection.writer.transport.get_write_buffer_size())
    stream.callbacks.release()
    for i in range(400):
        if i > 0:
            await stream.event(data, last_event_id=str(i))
        await stream.comment(f" {i}")


async def streams_side_by_side(bench):
    streams = [await bench.stream() for _ in range(30)]
    streams[0].callbacks.hold()  # holds up nobody else
    connections = [await stream.opened() for stream in streams]
    for i in range(5):
        for connection, stream in zip(connections, streams):
            await connection.send(f"data: {stream.name} {i}\n\n")
    for stream in reversed(streams):
        stream.callbacks.release()
        for i in range(5):
            await stream.event(f"{stream.name} {i}")


# --- the protocol of the service ---


async def capabilities(bench):
    response = await bench.service.call("GET", "/")
    equal((response.status, response.fields["content-type"]), (200, "application/json"), "status and type")
    equal(json.loads(response.body), {"capabilities": CAPABILITIES}, "capabilities")


async def bad_requests(bench):
    good = {"streamUrl": bench.server.address + "/bad", "callbackUrl": bench.receiver.address + "/bad"}
    for body, word in ((b"", "JSON"), (b"{", "JSON"), (b"[]", "object"), (b"7", "object"), (b"{\"a\":\xff}", "JSON")):
        response = await bench.service.call("POST", "/", body)
        expect(response.status == 400 and word in response.body.decode(), f"{body!r}:", response.start, response.body)
    for wrong in ({"streamUrl": None}, {"callbackUrl": None}, {"streamUrl": 7}, {"streamUrl": "nonsense"}, {"streamUrl": "ftp://h/"},
                  {"callbackUrl": "/relative"}, {"initialDelayMs": "1"}, {"initialDelayMs": -1}, {"initialDelayMs": 1.5},
                  {"readTimeoutMs": True}, {"readTimeoutMs": 10**30}, {"initialDelayMs": 2**63}, {"tag": 7}, {"method": ["GET"]},
                  {"method": "A B"}, {"method": ""}, {"body": {}}, {"lastEventId": 7}, {"headers": []}, {"headers": {"x": 1}},
                  {"headers": {"x": "a\r\nb: c"}}, {"headers": {"x y": "a"}}, {"headers": {"transfer-encoding": "chunked"}}):
        response = await bench.create({**good, **wrong})
        word = next(iter(wrong))
        expect(response.status == 400 and word in response.body.decode(), f"{wrong}:", response.start, response.body)
    await bench.settle()
    equal(bench.server.unanswered("/bad"), 0, "streams made of bad requests")


async def null_members(bench):
    stream = await bench.stream(initialDelayMs=None, readTimeoutMs=None, lastEventId=None, headers=None, method=None, body=None, tag=None)
    connection = await stream.opened("data: a\n\n")
    equal((connection.request.method, connection.last_event_id), ("GET", None), "the request")
    await stream.event("a")
    stream = await bench.stream(unknown={"member": 1})
    await stream.opened("data: a\n\n")
    await stream.event("a")


async def unknown_things(bench):
    stream = await bench.stream()
    await stream.connection()
    for method, path, body, status in (("POST", stream.location, b'{"command":"dance"}', 400), ("POST", stream.location, b"{}", 400),
                                       ("POST", stream.location, b"no JSON", 400), ("POST", stream.location, b'{"command":7}', 400),
                                       ("POST", "/streams/none", b'{"command":"restart"}', 404), ("DELETE", "/streams/none", b"", 404),
                                       ("GET", "/elsewhere", b"", 404), ("GET", stream.location, b"", 405), ("PUT", stream.location, b"", 405),
                                       ("PUT", "/", b"{}", 405), ("OPTIONS", "/", b"", 405)):
        response = await bench.service.call(method, path, body)
        equal(response.status, status, f"{method} {path} {body!r}")
        expect(status != 405 or "allow" in response.fields, "Allow with 405:", response.fields)


async def large_requests(bench):
    response = await bench.service.call("POST", "/", b" " * (16 * 1024 * 1024 + 1))
    equal(response.status, 413, "a body over 16 MB")
    body = "b" * 12_000_000
    stream = await bench.stream(method="POST", body=body)
    equal((await stream.connection()).request.body, body.encode(), "a large body")


async def expect_continue(bench):
    response = await bench.service.call("POST", "/", b"{", ["Expect: 100-continue"])
    equal(response.status, 100, "interim answer")
    bench.service.hang_up()


GROUPS = {
    "parsing": contract_parsing.CHECKS,
    "http": contract_http.CHECKS,
    "reconnection": contract_reconnection.CHECKS,
    "control": contract_control.CHECKS,
    "callbacks": [slow_receiver, streams_side_by_side],
    "protocol": [capabilities, bad_requests, null_members, unknown_things, large_requests, expect_continue],
}


async def passes(bench, group, check):
    try:
        await check(bench)
        await bench.finish()
        return True
    except Exception as failure:  # one failed check says nothing of the next
        print(f"FAILED: {group}.{check.__name__}: {type(failure).__name__}: {failure}", file=sys.stderr)
        if not isinstance(failure, Failure):
            traceback.print_exc()
        return False
    finally:
        await bench.clear()


async def descriptors_go(service, before):
    deadline = time.monotonic() + DEADLINE
    while service.descriptors() > before:
        expect(time.monotonic() < deadline, f"{service.descriptors()} descriptors, {before} at first")
        await asyncio.sleep(0.01)


async def run_groups(names, service):
    bench = await ContractBench.start(service)
    await bench.service.call("GET", "/")
    before = service.descriptors()
    failed = 0
    for group, checks in GROUPS.items():
        if names and group not in names:
            continue
        begin = time.monotonic()
        results = [await passes(bench, group, check) for check in checks]
        failed += results.count(False)
        print(f"{group}: {results.count(True)} of {len(results)} passed in {time.monotonic() - begin:.1f} s", flush=True)
    equal(failed, 0, "checks that failed")
    await bench.service.call("GET", "/")
    await descriptors_go(service, before)


async def ends(service, end):
    """With streams in every state: open, waiting for an answer, waiting to reconnect, with a callback under way."""
    bench = await ContractBench.start(service)
    opened, asking, waiting, telling = [await bench.stream(initialDelayMs=60_000) for _ in range(4)]
    telling.callbacks.hold()
    connections = [await opened.opened("data: a\n\n"), await asking.connection(), await telling.opened("data: a\n\n")]
    await (await waiting.opened()).end()
    await opened.event("a")
    await waiting.error()
    await telling.event("a")
    await end(bench)
    for connection in connections:
        await connection.gone()
    await within(telling.callbacks.given_up.wait(), "the callback is given up")
    bench.service.hang_up()
    equal(await asyncio.to_thread(service.wait), 0, "exit code")


def usage(bench):
    def code(*arguments):
        one = bench.foreign(program("contract-service"), *arguments)
        return one.wait(), one.errors()

    for arguments, word in ((["--nonsense"], "nonsense"), (["--port", "x"], "port"), (["--port", "65536"], "port"),
                            (["--host", "nowhere."], "nowhere")):
        status, told = code(*arguments)
        expect(status == 1 and word in told, f"{arguments}: {status}, {told}")
    first = bench.start("contract-service", "--port", "0", "--host", "::1")
    expect(first.address.startswith("http://[::1]:"), "the address:", first.address)
    status, told = code("--host", "::1", "--port", str(first.port))
    expect(status == 2 and "contract-service: " in told, f"a port that is taken: {status}, {told}")
    equal(first.stop(), 0, "exit code")
    status, told = code("--help")
    expect(status == 0 and "--port" in told and "8000" in told, "--help:", told)


async def by_request(bench):
    response = await bench.service.call("DELETE", "/")
    expect(response.status in (200, 204), "DELETE /:", response.start)


def by_signal(number):
    async def end(bench):
        bench.service.program.signal(number)

    return end


def main(names):
    def contract(bench):
        if not names or set(names) & set(GROUPS):
            asyncio.run(run_groups(names, bench.start("contract-service", "--port", "0")))
        if not names or "program" in names:
            usage(bench)
            for end in (by_request, by_signal(signal.SIGTERM), by_signal(signal.SIGINT)):
                asyncio.run(ends(bench.start("contract-service", "--port", "0", "--host", "localhost"), end))
            print("program: passed")

    return run(contract)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
