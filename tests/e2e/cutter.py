#!/usr/bin/env python3
"""A TCP relay whose connections can be cut on command.

    cutter.py TARGET_HOST:TARGET_PORT

prints `listening on http://127.0.0.1:PORT`, then obeys lines on stdin, each answered by a line on stdout:
    cut     resets every connection, both ways      -> cut N
    down    stops listening and cuts                -> down N
    up      listens on the same port again          -> up
    count   -> count OPEN ALL
and ends with its stdin. As a module: `Cutter`, on the running event loop.
"""

import asyncio
import contextlib
import socket
import struct
import sys


def reset(writer):
    """Closes with a reset: what is on its way is lost."""
    peer = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if peer is not None and peer.family != socket.AF_UNIX:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Cutter:
    """`connect()` opens a connection to the target. `limit()`, where given, tells for each connection after how many bytes
    from the target it is cut."""

    def __init__(self, connect, limit=None):
        self._connect = connect
        self._limit = limit
        self._open = set()
        self._server = None
        self.port = 0
        self.connections = 0

    @classmethod
    async def to_tcp(cls, host, port, limit=None):
        cutter = cls(lambda: asyncio.open_connection(host, port), limit)
        await cutter.up()
        return cutter

    @classmethod
    async def to_unix(cls, path):
        cutter = cls(lambda: asyncio.open_unix_connection(path))
        await cutter.up()
        return cutter

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def open(self):
        return len(self._open)

    async def up(self):
        if self._server is None:
            self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    def down(self):
        if self._server is not None:
            self._server.close()
            self._server = None
        return self.cut()

    def cut(self):
        pairs = list(self._open)
        for pair in pairs:
            for writer in pair:
                reset(writer)
        self._open.clear()
        return len(pairs)

    async def _relay(self, client_reader, client_writer):
        self.connections += 1
        try:
            target_reader, target_writer = await self._connect()
        except OSError:
            reset(client_writer)
            return
        pair = (client_writer, target_writer)
        if self._server is None:
            for writer in pair:
                reset(writer)
            return
        self._open.add(pair)
        limit = self._limit() if self._limit else None
        try:
            await asyncio.gather(self._pump(client_reader, target_writer, None), self._pump(target_reader, client_writer, limit))
            for writer in pair:
                writer.close()
        except (OSError, asyncio.CancelledError):
            for writer in pair:
                reset(writer)
        finally:
            self._open.discard(pair)

    @staticmethod
    async def _pump(reader, writer, limit):
        while data := await reader.read(65536):
            if limit is not None and len(data) >= limit:
                writer.write(data[:limit])
                await writer.drain()
                raise ConnectionResetError
            if limit is not None:
                limit -= len(data)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


async def main(target):
    host, _, port = target.removeprefix("http://").rpartition(":")
    cutter = await Cutter.to_tcp(host, int(port))
    print(f"listening on {cutter.address}", flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode().strip():
        if line == "cut":
            answer = f"cut {cutter.cut()}"
        elif line == "down":
            answer = f"down {cutter.down()}"
        elif line == "up":
            await cutter.up()
            answer = "up"
        elif line == "count":
            answer = f"count {cutter.open} {cutter.connections}"
        else:
            answer = f"unknown: {line}"
        print(answer, flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
