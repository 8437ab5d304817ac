"""A plain reader of event streams, written from the format's description and not from the library."""

import asyncio


class Parser:
    """feed(bytes) returns the events that became whole: dicts of id (the one in force), event, data."""

    def __init__(self, last_event_id=""):
        self.last_event_id = last_event_id
        self.retry = None
        self.comments = 0
        self._rest = b""
        self._id = last_event_id
        self._event = ""
        self._data = []

    def feed(self, data):
        events = []
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line.removesuffix(b"\r").decode(), events)
        return events

    def _line(self, line, events):
        if line == "":
            self.last_event_id = self._id
            if self._data:
                events.append({"id": self._id, "event": self._event or "message", "data": "\n".join(self._data)})
            self._event, self._data = "", []
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "":
            self.comments += 1
        elif name == "id":
            self._id = value
        elif name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "retry" and value.isdigit():
            self.retry = int(value)


class Response:
    """The response to a GET of an event stream over a connection of its own: iterate over `batches()`."""

    def __init__(self, reader, writer):
        self._reader = reader
        self.writer = writer
        self.status = 0
        self.fields = {}
        self.ended_clean = False

    @classmethod
    async def open(cls, port, path, last_event_id="", fields=()):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        response = cls(reader, writer)
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n"
        if last_event_id:
            head += f"Last-Event-ID: {last_event_id}\r\n"
        for name, value in fields:
            head += f"{name}: {value}\r\n"
        writer.write((head + "\r\n").encode())
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        response.status = int(lines[0].split()[1])
        for line in lines[1:]:
            name, _, value = line.partition(":")
            response.fields[name.lower()] = value.strip()
        return response

    async def pieces(self):
        """The body's bytes as they come, out of their chunks."""
        if self.fields.get("transfer-encoding") != "chunked":
            while piece := await self._reader.read(65536):
                yield piece
            return
        while True:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            piece = await self._reader.readexactly(size + 2)
            if size == 0:
                self.ended_clean = True
                return
            yield piece[:-2]

    def close(self):
        self.writer.transport.abort()
