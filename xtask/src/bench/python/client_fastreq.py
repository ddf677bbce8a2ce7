"""fastreq: one client with its default transport, which is niquests; concurrency as given."""

import asyncio
import os

from common import Meter, Tally, arguments

OPTIONS = arguments()
if OPTIONS.ca:
    # It takes no certificates of its own: its transport finds them here.
    os.environ["REQUESTS_CA_BUNDLE"] = OPTIONS.ca

import fastreq


async def fetch_all(client, requests):
    tally = Tally()
    if requests == 0:
        return tally
    try:
        responses = await client.request(
            [OPTIONS.url] * requests, return_type=fastreq.ReturnType.RESPONSE
        )
    except Exception as error:
        # One failure ends the whole list.
        for _ in range(requests):
            tally.failure(error)
        return tally
    for response in responses:
        if response.status_code == 200:
            tally.success(response.content)
        else:
            tally.failure(f"the status is {response.status_code}")
    return tally


async def main():
    async with fastreq.FastRequests(
        concurrency=OPTIONS.concurrency,
        max_retries=0,
        http2=OPTIONS.protocol == "h2",
        random_user_agent=False,
    ) as client:
        await fetch_all(client, OPTIONS.warm_up)
        meter = Meter()
        tally = await fetch_all(client, OPTIONS.requests)
        meter.report(OPTIONS.requests, tally)


asyncio.run(main())
