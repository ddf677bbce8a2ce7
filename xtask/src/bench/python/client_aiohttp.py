"""aiohttp: one session, as many tasks and connections as requests in flight."""

import asyncio

import aiohttp

from common import Meter, Tally, arguments


async def fetch(session, url, numbers, tally):
    for _ in numbers:
        try:
            async with session.get(url) as response:
                body = await response.read()
                if response.status != 200:
                    raise RuntimeError(f"the status is {response.status}")
            tally.success(body)
        except Exception as error:
            tally.failure(error)


async def fetch_all(session, options, requests):
    tally = Tally()
    # One iterator for all: whoever is free takes the next request.
    numbers = iter(range(requests))
    tasks = [fetch(session, options.url, numbers, tally) for _ in range(options.concurrency)]
    await asyncio.gather(*tasks)
    return tally


async def main():
    options = arguments()
    connector = aiohttp.TCPConnector(limit=options.concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        await fetch_all(session, options, options.warm_up)
        meter = Meter()
        tally = await fetch_all(session, options, options.requests)
        meter.report(options.requests, tally)


asyncio.run(main())
