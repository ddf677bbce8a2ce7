"""niquests: one asynchronous session, as many tasks as requests in flight; HTTP/2 by ALPN or,
over plain TCP, by prior knowledge."""

import asyncio

import niquests

from common import Meter, Tally, arguments


async def fetch(session, options, numbers, tally):
    version = 20 if options.protocol == "h2" else 11
    for _ in numbers:
        try:
            response = await session.get(options.url)
            if response.status_code != 200:
                raise RuntimeError(f"the status is {response.status_code}")
            if response.http_version != version:
                raise RuntimeError(f"the version is {response.http_version}")
            tally.success(response.content)
        except Exception as error:
            tally.failure(error)


async def fetch_all(session, options, requests):
    tally = Tally()
    # One iterator for all: whoever is free takes the next request.
    numbers = iter(range(requests))
    tasks = [fetch(session, options, numbers, tally) for _ in range(options.concurrency)]
    await asyncio.gather(*tasks)
    return tally


async def main():
    options = arguments()
    prior_knowledge = options.protocol == "h2" and options.url.startswith("http:")
    async with niquests.AsyncSession(
        disable_http1=prior_knowledge,
        disable_http2=options.protocol == "h1",
        disable_http3=True,
        pool_maxsize=options.concurrency,
    ) as session:
        session.verify = options.ca or True
        # Without this every request looks for proxies in the environment again.
        session.trust_env = False
        await fetch_all(session, options, options.warm_up)
        meter = Meter()
        tally = await fetch_all(session, options, options.requests)
        meter.report(options.requests, tally)


asyncio.run(main())
