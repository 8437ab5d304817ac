"""What comes of the end of a connection, through contract-service."""

import asyncio
import time

from harness import equal, expect


async def reconnects_after_each_end(bench):
    stream = await bench.stream()
    ends = (lambda c: c.end(), lambda c: c.cut(), None)
    for i, chunked in enumerate((True, True, True, False, False, False)):
        connection = await stream.opened(f"data: {i}\n\n", chunked=chunked)
        await stream.event(str(i))
        if ends[i % 3] is not None:
            await ends[i % 3](connection)
        else:
            connection.reset()
        await stream.error()  # one for each, before what the next one brings
    connection = await stream.opened("data: last\n\n")
    await stream.event("last")


async def error_before_the_next_events(bench):
    stream = await bench.stream()
    for i in range(3):
        connection = await stream.opened(f"data: {i}a\n\n", f"data: {i}b\n\n")
        await connection.end()
    for i in range(3):
        await stream.event(f"{i}a")
        await stream.event(f"{i}b")
        await stream.error()


async def refused_connections(bench):
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    stream = await bench.stream(streamUrl=f"http://127.0.0.1:{port}/", initialDelayMs=10)
    for _ in range(3):
        await stream.error("no stream")
    await stream.delete()
    bench.streams.remove(stream)
    equal(stream.callbacks.faults, [], "order of the callbacks")


async def closed_before_an_answer(bench):
    stream = await bench.stream()
    for i in range(2):
        connection = await stream.connection()
        if i == 0:
            await connection.cut()
        else:
            connection.reset()
        await stream.error("no stream")
    await stream.opened("data: a\n\n")
    await stream.event("a")


async def no_delay(bench):
    stream = await bench.stream(initialDelayMs=0)
    begin = time.monotonic()
    for i in range(10):
        connection = await stream.opened(f"data: {i}\n\n")
        await stream.event(str(i))
        await connection.end()
        await stream.error()
    await stream.connection()
    # By the default delay it would take two and a half seconds.
    expect(time.monotonic() - begin < 2, f"ten reconnects without delay took {time.monotonic() - begin:.2f} s")


async def some_delay(bench):
    stream = await bench.stream(initialDelayMs=100)
    connection = await stream.opened()
    for i in range(4):
        await connection.send(f"data: {i}\n\n")
        await stream.event(str(i))
        begin = time.monotonic()
        await connection.end()
        await stream.error()
        connection = await stream.opened()
        took = time.monotonic() - begin
        expect(0.095 <= took < 2, f"asked to wait 0.1 s, waited {took:.3f} s")


async def delay_without_progress(bench):
    """Grows, so that a server that is down is left in peace."""
    for delay, refusals, least in ((50, 4, 0.05 + 0.1 + 0.2 + 0.4), (0, 6, 0 + 0.01 + 0.02 + 0.04 + 0.08 + 0.16)):
        stream = await bench.stream(initialDelayMs=delay)
        begin = time.monotonic()
        for _ in range(refusals):
            await (await stream.connection()).answer(503)
            await stream.error("503")
        await stream.connection()
        expect(time.monotonic() - begin >= least * 0.99, f"{least} s at least with a delay of {delay} ms:", time.monotonic() - begin)


async def retry_field(bench):
    longer = await bench.stream(initialDelayMs=0)
    shorter = await bench.stream(initialDelayMs=60_000)
    connection = await longer.opened("retry: 400\n\n", "data: a\n\n")
    await longer.event("a")
    begin = time.monotonic()
    await connection.end()
    await longer.error()
    await longer.opened()
    expect(time.monotonic() - begin >= 0.395, "retry: 400, waited", time.monotonic() - begin)
    connection = await shorter.opened("retry: 5\n", "retry: no\n", "data: a\n\n")
    await shorter.event("a")
    await connection.end()
    await shorter.error()
    await shorter.opened()


async def last_event_id(bench):
    stream = await bench.stream()
    connection = await stream.opened("id: abc\ndata: a\n\ndata: b\n\n")
    equal(connection.last_event_id, None, "Last-Event-ID at first")
    await stream.event("a", last_event_id="abc")
    await stream.event("b", last_event_id="abc")
    for _ in range(2):  # once behind an event, then behind a connection without any
        await connection.end()
        await stream.error()
        connection = await stream.opened()
        equal(connection.last_event_id, "abc", "Last-Event-ID")
    await connection.send("data: c\n\n", "id: x\n\n", "data: d\n\n", "id\ndata: e\n\n")
    await stream.event("c", last_event_id="abc")
    await stream.event("d", last_event_id="x")
    await stream.event("e", last_event_id="")
    await connection.end()
    await stream.error()
    equal((await stream.connection()).last_event_id, None, "Last-Event-ID behind an empty id")


async def id_without_event(bench):
    stream = await bench.stream()
    connection = await stream.opened("id: 7\n\n")
    await connection.end()
    await stream.error()
    equal((await stream.connection()).last_event_id, "7", "Last-Event-ID")


async def initial_last_event_id(bench):
    stream = await bench.stream(lastEventId="start \u00e9")
    connection = await stream.connection()
    equal(connection.last_event_id, "start \u00e9", "Last-Event-ID")
    await connection.open("data: a\n\n")
    await stream.event("a", last_event_id="start \u00e9")
    await connection.end()
    await stream.error()
    connection = await stream.connection()
    equal(connection.last_event_id, "start \u00e9", "Last-Event-ID of the second request")
    empty = await bench.stream(lastEventId="")
    equal((await empty.connection()).last_event_id, None, "Last-Event-ID when it is empty")


async def half_an_event(bench):
    """Neither it nor its id counts."""
    stream = await bench.stream()
    for half in ("id: 2\ndata: half", "id: 2\ndata: half\n", "id: 2\n", "id: 2"):
        connection = await stream.opened("id: 1\ndata: a\n\n", half)
        await stream.event("a", last_event_id="1")
        await connection.cut()
        await stream.error()
        connection = await stream.opened()
        equal(connection.last_event_id, "1", f"Last-Event-ID behind {half!r}")
        await connection.end()
        await stream.error()


async def repeated_events(bench):
    """The server's business: EventSource passes on what comes."""
    stream = await bench.stream(lastEventId="1")
    for _ in range(3):
        connection = await stream.opened("id: 1\ndata: a\n\n", "id: 2\ndata: b\n\n", "id: 2\ndata: b\n\n")
        await stream.event("a", last_event_id="1")
        await stream.event("b", last_event_id="2")
        await stream.event("b", last_event_id="2")
        await connection.end()
        await stream.error()


CHECKS = [reconnects_after_each_end, error_before_the_next_events, refused_connections, closed_before_an_answer, no_delay,
          some_delay, delay_without_progress, retry_field, last_event_id, id_without_event, initial_last_event_id,
          half_an_event, repeated_events]
