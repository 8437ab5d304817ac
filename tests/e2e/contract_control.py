"""Timeouts, commands and the ways to end a stream, through contract-service."""

import time

from contract_peers import within
from harness import equal, expect


async def read_timeout(bench):
    stream = await bench.stream(readTimeoutMs=200)
    begin = time.monotonic()
    silent = await stream.opened("id: 1\ndata: a\n\n")
    await stream.event("a", last_event_id="1")
    await stream.error("timed_out")
    expect(time.monotonic() - begin >= 0.195, "timed out after", time.monotonic() - begin)
    await silent.gone()
    mute = await stream.connection()  # not even a head
    equal(mute.last_event_id, "1", "Last-Event-ID")
    await stream.error("no stream")
    await mute.gone()
    await stream.opened(": alive\n")
    await stream.comment(" alive")
    await stream.delete()
    bench.streams.remove(stream)


async def no_read_timeout(bench):
    for value in (None, 0):
        stream = await bench.stream(readTimeoutMs=value)
        connection = await stream.opened()
        await bench.settle()
        await connection.send("data: a\n\n")
        await stream.event("a")


async def restart(bench):
    stream = await bench.stream(initialDelayMs=60_000)
    first = await stream.opened("id: 1\ndata: a\n\n", "id: 2\n")
    await stream.event("a", last_event_id="1")
    for _ in range(3):
        await stream.restart()
        second = await stream.opened("data: b\n\n")
        equal(second.last_event_id, "1", "Last-Event-ID behind a restart")
        await first.gone()
        await stream.event("b", last_event_id="1")  # without an error before it
        first = second


async def restart_cuts_the_wait_short(bench):
    stream = await bench.stream(initialDelayMs=60_000)
    connection = await stream.opened("data: a\n\n")
    await stream.event("a")
    await connection.end()
    await stream.error()
    await bench.settle()
    await stream.restart()
    await stream.opened("data: b\n\n")
    await stream.event("b")


async def restart_that_fails(bench):
    stream = await bench.stream()
    await stream.opened("data: a\n\n")
    await stream.event("a")
    await stream.restart()
    await (await stream.connection()).answer(503)
    await stream.error("503")  # of the attempt; giving up the connection before it was none
    await stream.opened("data: b\n\n")
    await stream.event("b")


async def restart_of_what_is_over(bench):
    stream = await bench.stream()
    await (await stream.connection()).answer(204)
    await bench.settle()
    await stream.restart()
    await bench.settle()
    equal(bench.server.unanswered(stream.path), 0, "requests of a stream that is over")


async def delete_closes(bench):
    for open_it in (True, False):
        stream = await bench.stream()
        connection = await (stream.opened("data: a\n\n") if open_it else stream.connection())
        if open_it:
            await stream.event("a")
        await stream.delete()
        bench.streams.remove(stream)
        await connection.gone()
        await bench.settle()
        equal((bench.server.unanswered(stream.path), stream.callbacks.rest()), (0, []), "what came behind DELETE")
        for method, body in (("DELETE", b""), ("POST", b'{"command":"restart"}')):
            equal((await bench.service.call(method, stream.location, body)).status, 404, f"{method} of a stream that was deleted")


async def delete_while_waiting(bench):
    stream = await bench.stream(initialDelayMs=100)
    connection = await stream.opened("data: a\n\n")
    await stream.event("a")
    await connection.end()
    await stream.error()
    await stream.delete()
    bench.streams.remove(stream)
    for _ in range(2):
        other = await bench.stream(initialDelayMs=150)
        await (await other.opened()).end()
        await other.error()
        await other.connection()
    equal((bench.server.unanswered(stream.path), stream.callbacks.rest()), (0, []), "what came behind DELETE")


async def delete_gives_up_a_callback(bench):
    stream = await bench.stream()
    stream.callbacks.hold()
    connection = await stream.opened(*[f"data: {i}\n\n" for i in range(5)])
    await stream.event("0")
    await stream.delete()
    bench.streams.remove(stream)
    await within(stream.callbacks.given_up.wait(), "the callback is given up")
    await connection.gone()
    stream.callbacks.release()
    await bench.settle()
    equal((stream.callbacks.count, stream.callbacks.faults), (1, []), "callbacks behind DELETE")


async def failed_callback_ends_the_stream(bench):
    stream = await bench.stream()
    stream.callbacks.status = 500
    connection = await stream.opened("data: a\n\n", "data: b\n\n")
    await stream.event("a")
    await connection.gone()
    await bench.settle()
    equal((stream.callbacks.count, bench.server.unanswered(stream.path)), (1, 0), "callbacks and requests behind one that failed")


CHECKS = [read_timeout, no_read_timeout, restart, restart_cuts_the_wait_short, restart_that_fails, restart_of_what_is_over,
          delete_closes, delete_while_waiting, delete_gives_up_a_callback, failed_callback_ends_the_stream]
