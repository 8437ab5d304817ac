"""The peers of contract-service: a scripted event-stream server, a receiver of callbacks, and the hand that drives it."""

import asyncio
import contextlib
import json
import socket
import struct

from harness import Failure, equal, expect

DEADLINE = 20  # seconds that anything may take; nothing should come near it


async def within(awaitable, text, seconds=DEADLINE):
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        raise Failure(f"not within {seconds} s: {text}") from None


class Message:
    """A request or a response: start line, fields by lower-case name, body."""

    def __init__(self, start, fields, body):
        self.start = start
        self.fields = fields
        self.body = body

    @classmethod
    async def read(cls, reader):
        """None at the end of the connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError as cut:
            if cut.partial:
                raise
            return None
        start, *lines = head.rstrip("\r\n").split("\r\n")
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            expect(name.lower() not in fields, "a field twice:", head)
            fields[name.lower()] = value.strip()
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        return cls(start, fields, body)

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    @property
    def status(self):
        return int(self.start.split(" ")[1])


class Connection:
    """One request of the client to the event-stream server, and what is answered."""

    def __init__(self, request, reader, writer):
        self.request = request
        self.reader = reader
        self.writer = writer
        self._chunked = True

    @property
    def last_event_id(self):
        return self.request.fields.get("last-event-id")

    async def open(self, *data, content_type="text/event-stream", chunked=True):
        """Begins a stream; each of `data` is one chunk."""
        self._chunked = chunked
        framing = "Transfer-Encoding: chunked\r\n" if chunked else "Connection: close\r\n"
        self.writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{framing}\r\n".encode())
        await self.send(*data)
        return self

    async def send(self, *data):
        for piece in data:
            self.push(piece)
        await self.writer.drain()

    def push(self, piece):
        """Without waiting for the client to take it."""
        piece = piece if isinstance(piece, bytes) else piece.encode()
        self.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    async def answer(self, status, *fields, body=b""):
        """A regular response, and the end of the connection."""
        lines = "".join(f"{field}\r\n" for field in fields)
        length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
        self.writer.write(f"HTTP/1.1 {status} Scripted\r\n{lines}{length}Connection: close\r\n\r\n".encode() + body)
        await self.writer.drain()
        self.writer.close()

    async def end(self):
        """The stream's orderly end."""
        if self._chunked:
            self.writer.write(b"0\r\n\r\n")
            await self.writer.drain()
        self.writer.close()

    async def cut(self):
        """Ends the connection without ending the message."""
        await self.writer.drain()
        self.writer.close()

    def reset(self):
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self):
        """Completes when the client has closed its side."""

        async def wait():
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass

        await within(wait(), "the client closes its connection")


class StreamServer:
    """Takes the client's requests; each check has paths of its own."""

    def __init__(self):
        self._waiting = {}
        self._writers = set()

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._writers.add(writer)
        request = await Message.read(reader)
        if request is None:
            writer.close()
            return
        self._queue(request.target).put_nowait(Connection(request, reader, writer))

    def _queue(self, path):
        return self._waiting.setdefault(path, asyncio.Queue())

    async def connection(self, path):
        return await within(self._queue(path).get(), f"a request for {path}")

    def unanswered(self, path):
        return self._queue(path).qsize()

    def forget(self):
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self._waiting.clear()


class Receiver:
    """Takes callbacks, checks that they come one after the other, and answers them when it is let."""

    def __init__(self):
        self._streams = {}

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stream(self, name):
        self._streams[name] = Callbacks()
        return self._streams[name]

    async def _serve(self, reader, writer):
        try:
            while (message := await Message.read(reader)) is not None:
                _, name, number = message.target.split("/")
                status = await self._streams[name].take(int(number), message, reader)
                if status == 0:
                    break
                writer.write(b"HTTP/1.1 %d Scripted\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Callbacks:
    """Those of one stream."""

    def __init__(self):
        self.count = 0
        self.status = 200
        self.faults = []
        self.given_up = asyncio.Event()  # the service closed a callback that was not answered
        self._answering = asyncio.Event()
        self._answering.set()
        self._busy = False
        self._messages = asyncio.Queue()

    def hold(self):
        self._answering.clear()

    def release(self):
        self._answering.set()

    async def take(self, number, message, reader):
        """The status to answer with; 0 when nobody waits for it any more."""
        self.count += 1
        if number != self.count:
            self.faults.append(f"callback {number} instead of {self.count}")
        if self._busy:
            self.faults.append(f"callback {number} before the one before it was answered")
        if message.method != "POST" or message.fields.get("content-type") != "application/json":
            self.faults.append(f"callback {number}: {message.start} {message.fields}")
        self._messages.put_nowait(json.loads(message.body))
        self._busy = True
        try:
            if not self._answering.is_set() and not await self._let(reader):
                self.given_up.set()
                return 0
        finally:
            self._busy = False
        return self.status

    async def _let(self, reader):
        end = asyncio.ensure_future(reader.read(1))
        let = asyncio.ensure_future(self._answering.wait())
        await asyncio.wait({end, let}, return_when=asyncio.FIRST_COMPLETED)
        answered = let.done()
        for task in (end, let):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await task
        return answered

    async def next(self):
        return await within(self._messages.get(), "a callback")

    def waiting(self):
        return self._messages.qsize()

    def rest(self):
        return [self._messages.get_nowait() for _ in range(self._messages.qsize())]


class Service:
    """contract-service, by its protocol; its connection is kept alive from call to call."""

    def __init__(self, program):
        self.program = program
        self._reader = self._writer = None

    async def call(self, method, path, body=b"", fields=()):
        return await within(self._call(method, path, body, fields), f"the answer to {method} {path}")

    async def _call(self, method, path, body, fields):
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.program.port, limit=1 << 20)
        head = f"{method} {path} HTTP/1.1\r\nHost: service\r\nContent-Length: {len(body)}\r\n" + "".join(f"{field}\r\n" for field in fields)
        with contextlib.suppress(ConnectionError):  # a refusal may come before the whole body went out
            self._writer.write(head.encode() + b"\r\n" + body)
            await self._writer.drain()
        response = await Message.read(self._reader)
        expect(response is not None, f"no answer to {method} {path}")
        if response.fields.get("connection") == "close":
            self.hang_up()
        return response

    def hang_up(self):
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


class Stream:
    """One stream in the service, with its peers."""

    def __init__(self, bench, name, path, location, callbacks):
        self.bench = bench
        self.name = name
        self.path = path
        self.location = location
        self.callbacks = callbacks

    async def connection(self):
        return await self.bench.server.connection(self.path)

    async def opened(self, *data, **options):
        connection = await self.connection()
        return await connection.open(*data, **options)

    async def event(self, data, kind="message", last_event_id=""):
        equal(await self.callbacks.next(), {"kind": "event", "event": {"type": kind, "data": data, "id": last_event_id}}, "event")

    async def comment(self, text):
        equal(await self.callbacks.next(), {"kind": "comment", "comment": text}, "comment")

    async def error(self, *words):
        told = await self.callbacks.next()
        expect(told.get("kind") == "error" and isinstance(told.get("error"), str), "an error:", told)
        for word in words:
            expect(word in told["error"], f"{word!r} in", told)

    async def restart(self):
        response = await self.bench.service.call("POST", self.location, b'{"command":"restart"}')
        expect(response.status // 100 == 2, "restart:", response.start)

    async def delete(self):
        response = await self.bench.service.call("DELETE", self.location)
        expect(response.status in (200, 204), "DELETE:", response.start)


class ContractBench:
    """The service and its peers, and the streams of one check."""

    def __init__(self, service, server, receiver):
        self.service = service
        self.server = server
        self.receiver = receiver
        self.streams = []
        self._count = 0

    @classmethod
    async def start(cls, program):
        bench = cls(Service(program), StreamServer(), Receiver())
        await bench.server.start()
        await bench.receiver.start()
        return bench

    async def create(self, members):
        return await self.service.call("POST", "/", json.dumps(members).encode())

    async def stream(self, path=None, **members):
        """A stream with a path of its own; `members` go into the request."""
        self._count += 1
        name = f"s{self._count}"
        path = path or "/" + name
        callbacks = self.receiver.stream(name)
        asked = {"streamUrl": self.server.address + path, "callbackUrl": f"{self.receiver.address}/{name}", "tag": name}
        response = await self.create({**asked, "initialDelayMs": 0, **members})
        equal(response.status, 201, f"status of a new stream: {response.body!r}")
        expect("location" in response.fields, "Location:", response.fields)
        stream = Stream(self, name, path, response.fields["location"], callbacks)
        self.streams.append(stream)
        return stream

    async def settle(self):
        """Completes when a stream of its own was cut and made anew a few times: whatever else was to happen at once did."""
        probe = await self.stream()
        for _ in range(3):
            connection = await probe.opened("data: settled\n\n")
            await probe.event("settled")
            await connection.end()
            await probe.error()
        await probe.delete()
        self.streams.remove(probe)

    async def finish(self):
        """Ends the check's streams. Nothing may have come that it has not asked for."""
        for stream in self.streams:
            callbacks = stream.callbacks
            await stream.delete()
            equal(callbacks.faults, [], f"order of the callbacks of {stream.name}")
            equal(callbacks.rest(), [], f"callbacks of {stream.name} that were not expected")

    async def clear(self):
        """Makes room for the next check, whatever became of this one."""
        for stream in self.streams:
            stream.callbacks.release()
            with contextlib.suppress(Failure, OSError, asyncio.IncompleteReadError):
                await self.service.call("DELETE", stream.location)
        self.streams.clear()
        self.server.forget()
