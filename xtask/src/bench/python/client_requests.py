"""requests: one session, as many threads and connections as requests in flight."""

import threading
from concurrent.futures import ThreadPoolExecutor

import requests
from requests.adapters import HTTPAdapter

from common import Meter, Tally, arguments


def fetch_all(pool, session, options, count):
    tally = Tally()
    lock = threading.Lock()

    def fetch(_):
        try:
            response = session.get(options.url)
            if response.status_code != 200:
                raise RuntimeError(f"the status is {response.status_code}")
            with lock:
                tally.success(response.content)
        except Exception as error:
            with lock:
                tally.failure(error)

    for _ in pool.map(fetch, range(count)):
        pass
    return tally


def main():
    options = arguments()
    session = requests.Session()
    # Without this every request looks for proxies in the environment again.
    session.trust_env = False
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=options.concurrency)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    with ThreadPoolExecutor(max_workers=options.concurrency) as pool:
        fetch_all(pool, session, options, options.warm_up)
        meter = Meter()
        tally = fetch_all(pool, session, options, options.requests)
        meter.report(options.requests, tally)


main()
