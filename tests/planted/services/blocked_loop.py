"""A call that blocks the event loop, in another task than those that it makes slow."""

import asyncio
import time

import otel_fe


async def report():
    await asyncio.sleep(0.002)
    time.sleep(0.2)  # planted


@otel_fe.extraction
async def extract():
    for _ in range(4):
        await asyncio.sleep(0.002)


async def main():
    for _ in range(5):
        await asyncio.gather(report(), extract())


asyncio.run(main())
