"""Connections that mean no good: the controller works on, and probes are answered."""

import asyncio
import contextlib
import os
import resource
import socket
import time

from aiohttp import web

from gitops.server import doors
from gitops.server.doors import BACKLOG, Doors, most_connections, watched


@contextlib.asynccontextmanager
async def listening(most=8):
    async def hello(_):
        return web.Response(text="ok")

    async def large(_):
        return web.Response(body=b"x" * 50_000_000)

    async def slow(_):
        await asyncio.sleep(0.3)
        return web.Response(text="late")

    app = web.Application(middlewares=[watched])
    app.add_routes([web.get("/healthz", hello), web.get("/large", large), web.get("/slow", slow)])
    runner = web.AppRunner(app)
    await runner.setup()
    found = Doors(runner.server, most)
    server = await asyncio.get_running_loop().create_server(found.make, "127.0.0.1", 0, backlog=BACKLOG)
    try:
        yield server.sockets[0].getsockname(), found
    finally:
        server.close()
        await runner.cleanup()


async def asked(address, path="/healthz", count=1):
    """The answers to requests one after another on one connection."""
    reader, writer = await asyncio.open_connection(*address)
    answers = []
    for _ in range(count):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        answers.append((head.split(b"\r\n")[0], await reader.readexactly(size)))
    writer.close()
    return answers


OK = (b"HTTP/1.1 200 OK", b"ok")


def test_half_a_header_on_every_connection_stops_no_probe(lines):
    async def work():
        async with listening() as (address, found):
            halves = []
            for _ in range(200):
                halves.append(await asyncio.open_connection(*address))
                halves[-1][1].write(b"GET /healthz HTTP/1.1\r\nHos")
            assert await asyncio.wait_for(asked(address), 5) == [OK]
            assert found._open <= 8
            for _, writer in halves:
                writer.close()

    asyncio.run(work())
    assert [line["event"] for line in lines] == ["http.crowded"]


def test_half_a_header_and_an_idle_connection_are_closed_in_time(monkeypatch):
    monkeypatch.setattr(doors, "HEADER_SECONDS", 0.3)

    async def work():
        async with listening() as (address, found):
            _, writer = await asyncio.open_connection(*address)
            writer.write(b"GET ")
            await asyncio.sleep(0.05)
            began = time.monotonic()
            while time.monotonic() - began < 3 and found._open:
                with contextlib.suppress(OSError):
                    writer.write(b"X")  # something comes all the time, and is no request
                    await writer.drain()
                await asyncio.sleep(0.05)
            assert not found._open
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            assert await asyncio.wait_for(reader.read(), 2) == b""
            assert found._open == 0

    asyncio.run(work())


def test_who_does_not_take_the_answer_makes_place_and_is_closed_in_time(monkeypatch):
    monkeypatch.setattr(doors, "HEADER_SECONDS", 0.5)
    monkeypatch.setattr(doors, "ANSWER_SECONDS", 0.5)

    async def work():
        async with listening(most=2) as (address, found):
            stuck = []
            for _ in range(4):
                one = socket.create_connection(address)
                one.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
                stuck.append(one)
            for _ in range(40):  # while all are being answered there is no place to be made
                with contextlib.suppress(OSError, EOFError):
                    assert await asked(address) == [OK]
                    break
                await asyncio.sleep(0.1)
            else:
                raise AssertionError("never answered")
            for _ in range(40):
                if found._open == 0:
                    break
                await asyncio.sleep(0.1)
            assert found._open == 0

    asyncio.run(work())


def test_what_takes_its_time_and_what_asks_again_is_answered(monkeypatch):
    monkeypatch.setattr(doors, "HEADER_SECONDS", 0.2)

    async def work():
        async with listening() as (address, _):
            assert await asked(address, "/slow", 2) == [(b"HTTP/1.1 200 OK", b"late")] * 2
            assert await asked(address, count=20) == [OK] * 20

    asyncio.run(work())


def test_connections_leave_file_descriptors_for_work():
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = most_connections()
    assert most <= 256
    assert most * 8 <= max(soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    assert len(os.listdir("/proc/self/fd")) + most < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
