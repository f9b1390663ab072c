"""The embedded cluster: applies per second, how soon a watch tells, memory at 10,000 objects.

Client and cluster are processes of their own, as they are in use.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import aiohttp

OBJECTS = 10_000
APPLIES = 3_000
EVENTS = 200
CONCURRENT = 16


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "GITOPS_STATE": folder}
        command = [
            sys.executable,
            "-m",
            "gitops.cli",
            "sandbox",
            "up",
            "--port",
            "0",
            "--controllers",
            "none",
            "--detach",
        ]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        facts = json.loads(Path(folder, "sandbox", "connection.json").read_text())
        try:
            asyncio.run(measure(facts))
        finally:
            os.kill(facts["pid"], 15)


async def measure(facts: dict) -> None:
    context = ssl.create_default_context(cadata=facts["ca"])
    connector = aiohttp.TCPConnector(ssl=context, limit=CONCURRENT + 4)
    headers = {"Authorization": f"Bearer {facts['token']}"}
    async with aiohttp.ClientSession(facts["url"], connector=connector, headers=headers) as session:
        for label, change in (("create", 0), ("apply again", 0), ("change", 1)):
            rate = await applies(session, range(APPLIES), change)
            print(f"  {label:<32}{rate:>8.0f} applies/s   (goal 600)")
        print(f"  {'from write to watch event':<32}{await latency(session) * 1000:>8.1f} ms, median   (goal 10)")
        await applies(session, range(APPLIES, OBJECTS), 0)
        print(f"  {f'memory at {OBJECTS:,} objects':<32}{resident(facts['pid']):>8.0f} MB   (goal 250)")
        began = time.perf_counter()
        async with session.get("/api/v1/configmaps") as response:
            size = len(await response.read())
        print(f"  {'list of all':<32}{(time.perf_counter() - began) * 1000:>8.0f} ms, {size / 1e6:.1f} MB")


async def applies(session: aiohttp.ClientSession, numbers: range, change: int) -> float:
    """Applies one small ConfigMap per number, some at a time; how many a second."""
    left = iter(numbers)

    async def worker() -> None:
        for number in left:
            await apply(session, f"c{number}", change)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONCURRENT)))
    return len(numbers) / (time.perf_counter() - began)


async def apply(session: aiohttp.ClientSession, name: str, change: int) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "bench"}}}
    path = f"/api/v1/namespaces/default/configmaps/{name}?fieldManager=bench"
    headers = {"Content-Type": "application/apply-patch+yaml"}
    text = json.dumps({**body, "data": {"key": "value", "change": str(change)}})
    async with session.patch(path, data=text, headers=headers) as response:
        response.raise_for_status()
        await response.read()


async def latency(session: aiohttp.ClientSession) -> float:
    """Seconds from sending a write to reading its event, the median of many."""
    taken = []
    async with session.get(
        "/api/v1/configmaps?watch=1&labelSelector=app=bench&fieldSelector=metadata.name=c0"
    ) as stream:
        await stream.content.readline()
        for number in range(EVENTS):
            began = time.perf_counter()
            writing = asyncio.ensure_future(apply(session, "c0", number + 10))
            await stream.content.readline()
            taken.append(time.perf_counter() - began)
            await writing
    return median(taken)


def resident(pid: int) -> float:
    """The memory a process uses, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
