"""What comes of the bytes of a stream, through contract-service."""

from harness import equal


def chunkings(data):
    return {"whole": [data], "bytes": [data[i:i + 1] for i in range(len(data))], "threes": [data[i:i + 3] for i in range(0, len(data), 3)]}


async def told(bench, data, *expected):
    """In three chunkings and by three line ends, `data` comes as `expected`: (type, data, id), or (comment,)."""
    for end in ("\n", "\r", "\r\n"):
        for chunks in chunkings(data.replace("\n", end).encode()).values():
            stream = await bench.stream()
            await stream.opened(*chunks)
            for one in expected:
                await (stream.comment(*one) if len(one) == 1 else stream.event(one[1], one[0], one[2]))
            await stream.delete()
            bench.streams.remove(stream)
            equal(stream.callbacks.rest(), [], f"what else came of {chunks!r}")


async def one_line_data(bench):
    await told(bench, "data: Hello\n\n", ("message", "Hello", ""))


async def several_lines_of_data(bench):
    await told(bench, "data: one\ndata: two\ndata\ndata:four\n\n", ("message", "one\ntwo\n\nfour", ""))


async def several_events(bench):
    await told(bench, "data: 1\n\ndata: 2\n\n\n\ndata: 3\n\n", *[("message", str(i), "") for i in (1, 2, 3)])


async def types(bench):
    await told(bench, "event: greeting\ndata: a\n\ndata: b\n\nevent: \ndata: c\n\nevent: x\nevent: y\ndata: d\n\n",
               ("greeting", "a", ""), ("message", "b", ""), ("message", "c", ""), ("y", "d", ""))


async def ids(bench):
    await told(bench, "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: x y\ndata: d\n\nid: n\0l\ndata: e\n\nid: 7\n\ndata: f\n\n",
               ("message", "a", "1"), ("message", "b", "1"), ("message", "c", ""), ("message", "d", "x y"), ("message", "e", "x y"),
               ("message", "f", "7"))


async def empty_data(bench):
    await told(bench, "data:\n\ndata\n\ndata\ndata\n\nevent: none\n\ndata: last\n\n",
               ("message", "", ""), ("message", "", ""), ("message", "\n", ""), ("message", "last", ""))


async def spaces_and_colons(bench):
    await told(bench, "data:a\n\ndata:  b\n\ndata: c: d\n\ndata:\te\n\n data: no\nDATA: no\nother: no\ndata : no\n\ndata: f \n\n",
               ("message", "a", ""), ("message", " b", ""), ("message", "c: d", ""), ("message", "\te", ""), ("message", "f ", ""))


async def text_beyond_ascii(bench):
    data = "\u20ac \U0001f600 \"quoted\" \\ \u2028"
    await told(bench, f"event: \u00e4\nid: \u4e16\ndata: {data}\n\n", ("\u00e4", data, "\u4e16"))


async def not_utf8(bench):
    stream = await bench.stream()
    await stream.opened(b"data: a\xffb\xe2\x82\n\n")
    await stream.event("a\ufffdb\ufffd")


async def huge_event(bench):
    stream = await bench.stream()
    line = "0123456789abcdef" * (7 * 1024 * 1024 // 16)
    connection = await stream.opened()
    await connection.send(f"data: {line}\ndata: ", line, "\n\n", "data: small\n\n")
    await stream.event(line + "\n" + line)
    await stream.event("small")
    await connection.send(f":{line}\n")
    await stream.comment(line)


async def comments(bench):
    await told(bench, ": first\n:\ndata: a\n:in between\ndata: b\n\n:  two spaces\n:data: no\ndata: c\n\n",
               (" first",), ("",), ("in between",), ("message", "a\nb", ""), ("  two spaces",), ("data: no",), ("message", "c", ""))


async def byte_order_mark(bench):
    bom = b"\xef\xbb\xbf"
    for chunks in chunkings(bom + b"data: a\n\n" + bom + b"data: no\n\ndata: b" + bom + b"\n\n").values():
        stream = await bench.stream()
        await stream.opened(*chunks)
        await stream.event("a")
        await stream.event("b\ufeff")
    stream = await bench.stream()
    await stream.opened(bom + bom + b"data: no\n\ndata: a\n\n")
    await stream.event("a")
    stream = await bench.stream()
    for i in range(2):  # once in each connection
        connection = await stream.opened(bom + b": " + str(i).encode() + b"\n" + b"data: a\n\n")
        await stream.comment(f" {i}")
        await stream.event("a")
        await connection.end()
        await stream.error()


CHECKS = [one_line_data, several_lines_of_data, several_events, types, ids, empty_data, spaces_and_colons, text_beyond_ascii,
          not_utf8, huge_event, comments, byte_order_mark]
