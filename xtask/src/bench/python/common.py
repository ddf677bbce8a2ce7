"""What all Python clients share: their arguments, the measurement, and the line that they print."""

import argparse
import json
import resource
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--warm-up", type=int, default=0)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--protocol", choices=["h1", "h2"], required=True)
    parser.add_argument("--ca")
    return parser.parse_args()


class Tally:
    """What came of the requests."""

    def __init__(self):
        self.succeeded = 0
        self.failed = 0
        self.body_bytes = 0
        self.first_error = None

    def success(self, body):
        self.succeeded += 1
        self.body_bytes += len(body)

    def failure(self, error):
        self.failed += 1
        if self.first_error is None:
            self.first_error = str(error) or repr(error)


class Meter:
    """CPU time, wall time and memory from its making to `report`."""

    def __init__(self):
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            # The mark of the warm-up stays in then, which can only make the figure worse.
            pass
        self.idle = memory("VmRSS:")
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self.user, self.system = usage.ru_utime, usage.ru_stime
        self.started = time.perf_counter()

    def report(self, requests, tally):
        wall = time.perf_counter() - self.started
        usage = resource.getrusage(resource.RUSAGE_SELF)
        line = {
            "requests": requests,
            "succeeded": tally.succeeded,
            "failed": tally.failed,
            "body_bytes": tally.body_bytes,
            "wall_s": wall,
            "user_s": usage.ru_utime - self.user,
            "system_s": usage.ru_stime - self.system,
            "rss_idle_bytes": self.idle,
            "rss_peak_bytes": memory("VmHWM:"),
            "p50_us": None,
            "p99_us": None,
            "first_error": tally.first_error,
        }
        print(json.dumps(line), flush=True)


def memory(name):
    """A line of /proc/self/status in bytes; 0 where there is no such thing."""
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
