"""What is asked for and how answers are taken, through contract-service."""

import time

from harness import equal, expect


async def default_headers(bench):
    stream = await bench.stream()
    connection = await stream.connection()
    fields = dict(connection.request.fields)
    equal(connection.request.start, f"GET {stream.path} HTTP/1.1", "request line")
    equal((fields.pop("accept"), fields.pop("cache-control")), ("text/event-stream", "no-cache"), "Accept and Cache-Control")
    equal(fields.pop("host"), bench.server.address.removeprefix("http://"), "Host")
    equal(fields.pop("accept-encoding", "identity"), "identity", "Accept-Encoding")
    equal(fields, {}, "other fields of the request")


async def custom_headers(bench):
    stream = await bench.stream(headers={"x-one": "1", "authorization": "Bearer t", "accept": "text/event-stream, x/y", "cache-control": "no-store"})
    for _ in range(2):
        connection = await stream.opened()
        fields = connection.request.fields
        equal([fields[name] for name in ("x-one", "authorization", "accept", "cache-control")],
              ["1", "Bearer t", "text/event-stream, x/y", "no-store"], "fields that were asked for")
        await connection.end()
        await stream.error()


async def query_and_target(bench):
    stream = await bench.stream(path="/a/b?c=d&e=%20f")
    await stream.opened("data: a\n\n")
    await stream.event("a")


async def methods_and_bodies(bench):
    for method in ("POST", "REPORT"):
        body = '{"hello": "w\u00f6rld"}'
        stream = await bench.stream(method=method, body=body, headers={"content-type": "application/json; charset=utf-8"})
        connection = None
        for i in range(3):  # made anew like any other stream: after a clean end and after a cut
            connection = await stream.opened(f"id: {i}\ndata: {i}\n\n")
            request = connection.request
            equal((request.method, request.body, request.fields["content-type"], int(request.fields["content-length"])),
                  (method, body.encode(), "application/json; charset=utf-8", len(body.encode())), "request")
            equal(connection.last_event_id, str(i - 1) if i else None, "Last-Event-ID")
            await stream.event(str(i), last_event_id=str(i))
            if i < 2:
                await (connection.end() if i == 0 else connection.cut())
                await stream.error()
    stream = await bench.stream(method="POST")
    connection = await stream.opened()
    equal((connection.request.method, connection.request.fields["content-length"]), ("POST", "0"), "a POST without body")


async def redirects(bench):
    for status, method, then in ((301, "GET", "GET"), (302, "GET", "GET"), (303, "GET", "GET"), (307, "GET", "GET"), (308, "GET", "GET"),
                                 (301, "POST", "GET"), (303, "REPORT", "GET"), (307, "POST", "POST"), (308, "REPORT", "REPORT")):
        extra = {} if method == "GET" else {"method": method, "body": "b"}
        stream = await bench.stream(headers={"x-kept": "1"}, **extra)
        for to in (f"{stream.path}/moved", bench.server.address + stream.path + "/moved"):  # relative, absolute
            connection = await stream.connection()
            equal(connection.request.method, method, "before the redirect")
            await connection.answer(status, f"Location: {to}")
            connection = await bench.server.connection(stream.path + "/moved")
            equal((connection.request.method, connection.request.body, connection.request.fields["x-kept"]),
                  (then, b"b" if then != "GET" else b"", "1"), f"behind {status} to a {method}")
            await connection.open("data: a\n\n")
            await stream.event("a")
            await connection.end()
            await stream.error()  # and begins at the URL it was given


async def redirect_without_end(bench):
    stream = await bench.stream()
    for _ in range(11):
        await (await stream.connection()).answer(302, f"Location: {stream.path}")
    await stream.error("redirect")
    await bench.settle()
    equal(bench.server.unanswered(stream.path), 0, "requests behind the last redirect")


async def no_content(bench):
    first = await bench.stream()
    await (await first.connection()).answer(204)
    second = await bench.stream()
    connection = await second.opened("id: 1\ndata: a\n\n")
    await second.event("a", last_event_id="1")
    await connection.end()
    await second.error()
    await (await second.connection()).answer(204)
    await bench.settle()
    for stream in (first, second):
        equal(bench.server.unanswered(stream.path), 0, "requests behind 204")
        equal(stream.callbacks.rest(), [], "callbacks behind 204")


async def wrong_answers(bench):
    """Fail for good, with one error that says why."""
    good = "Content-Type: text/event-stream"
    for status, fields in ((200, ["Content-Type: text/html"]), (200, [good + "-x"]), (200, []), (200, [good, "Content-Encoding: gzip"]),
                           (400, []), (401, [good]), (403, []), (404, []), (410, [])):
        stream = await bench.stream()
        await (await stream.connection()).answer(status, *fields, body=b"data: no\n\n")
        await stream.error(str(status))
    await bench.settle()
    for stream in bench.streams:
        equal(bench.server.unanswered(stream.path), 0, "requests behind a refusal")


async def content_types(bench):
    for content_type in ("text/event-stream;charset=utf-8", "Text/Event-Stream ; charset=UTF-8"):
        stream = await bench.stream()
        await stream.opened("data: a\n\n", content_type=content_type)
        await stream.event("a")


async def retryable_statuses(bench):
    for status in (408, 425, 429, 500, 502, 503, 504):
        stream = await bench.stream(lastEventId="7")
        await (await stream.connection()).answer(status, body=b"later")
        await stream.error(str(status))
        connection = await stream.opened("data: a\n\n")
        equal(connection.last_event_id, "7", f"Last-Event-ID behind {status}")
        await stream.event("a", last_event_id="7")


async def retry_after(bench):
    streams = [await bench.stream() for _ in range(2)]
    begin = time.monotonic()
    for stream, status in zip(streams, (429, 503)):
        await (await stream.connection()).answer(status, "Retry-After: 1")
        await stream.error(str(status))
    for stream in streams:
        await stream.opened()
        expect(time.monotonic() - begin >= 0.99, "asked again before Retry-After:", time.monotonic() - begin)


CHECKS = [default_headers, custom_headers, query_and_target, methods_and_bodies, redirects, redirect_without_end, no_content,
          wrong_answers, content_types, retryable_statuses, retry_after]
