"""kill -9 of random processes under load: nothing that was answered 200 is lost, nothing half-written
is visible.

    kills.py KILLS

Writers put objects of known content (some overwrite, some delete); every answer is recorded. Processes
die at random moments and are started again by the devnet. At the end every key must have its last
acknowledged content, or that of a later attempt whose answer was lost; deleted keys likewise.
"""
import hashlib
import http.client
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from devnet import Devnet, kill  # noqa: E402
from s3 import S3Error  # noqa: E402

WRITERS = 4
SIZES = [0, 1, 700, 5000, 60_000, 300_000, 2_000_000]


def content(key, version, size):
    """Deterministic, so that any version of any key can be recognised."""
    seed = hashlib.sha256(f"{key}/{version}".encode()).digest()
    return (seed * (size // 32 + 1))[:max(size, 0)]


class Key:
    """What may be there: the last acknowledged state and everything tried since."""

    def __init__(self):
        self.possible = [None]

    def attempt(self, state):
        self.possible.append(state)

    def acknowledge(self):
        self.possible = self.possible[-1:]


class Writer(threading.Thread):
    def __init__(self, net, number, stop):
        super().__init__(daemon=True)
        self.client = net.s3(timeout=30)
        self.number, self.stop_event = number, stop
        self.random = random.Random(number)
        self.keys = {}
        self.acknowledged = 0
        self.failed = 0
        self.wrong = []

    def step(self, version):
        key = f"w{self.number}/{self.random.randrange(40)}"
        state = self.keys.setdefault(key, Key())
        kind = self.random.random()
        try:
            if kind < 0.70:
                size = self.random.choice(SIZES)
                state.attempt((version, size))
                self.client.put("chaos", key, content(key, version, size))
                state.acknowledge()
            elif kind < 0.80:
                state.attempt(None)
                self.client.delete("chaos", key)
                state.acknowledge()
            else:
                self.check(key, state)
            self.acknowledged += 1
        except (S3Error, OSError, http.client.HTTPException):
            self.failed += 1
            time.sleep(0.2)

    def check(self, key, state):
        status, _, body = self.client.request("GET", "chaos", key)
        if status not in (200, 404):
            raise S3Error(status, body)
        found = None if status == 404 else body
        good = [None if p is None else content(key, *p) for p in state.possible]
        if found not in good:
            self.wrong.append(f"{key}: {status}, {len(body)} bytes, possible {state.possible}")

    def run(self):
        version = 0
        while not self.stop_event.is_set():
            version += 1
            self.step(version)
        self.client.close()


def victims(net):
    info = net.reload()
    roles = [("ledger", p["pid"]) for p in info["ledger"]]
    roles += [("gateway", p["pid"]) for p in info["gateways"]]
    roles += [(f"store {p['i']}", p["pid"]) for p in info["stores"]]
    return [(name, pid) for name, pid in roles if pid]  # 0: just being started again


def wait_for_victims(net, kind):
    """Running processes of a kind; there is only one ledger node, and it may be on its way back."""
    for _ in range(300):
        found = [v for v in victims(net) if v[0].startswith(kind)]
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"no {kind} came back within 30 s")


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    chooser = random.Random(int(os.environ.get("SEED", "1")))
    with Devnet(respawn=True) as net:
        net.s3().make_bucket("chaos")
        stop = threading.Event()
        writers = [Writer(net, i, stop) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        for i in range(kills):
            time.sleep(chooser.uniform(0.5, 3.0))
            kind = chooser.choice(["ledger", "gateway", "store", "store"])
            name, pid = chooser.choice(wait_for_victims(net, kind))
            print(f"kill {i + 1}/{kills}: {name} (pid {pid})", flush=True)
            kill(pid)
        time.sleep(5)
        stop.set()
        for writer in writers:
            writer.join(120)
        client = net.s3(timeout=60)
        checked = 0
        for writer in writers:
            writer.client = client
            for key, state in sorted(writer.keys.items()):
                client.retry(writer.check, 120, key, state)
                checked += 1
        listed = client.retry(client.list, 60, "chaos")
        phantom = [k for k in listed
                   if all(p is None for w in writers if k in w.keys for p in w.keys[k].possible)]
        wrong = [w for writer in writers for w in writer.wrong]
        print(f"{kills} kills, {sum(w.acknowledged for w in writers)} answered, "
              f"{sum(w.failed for w in writers)} failed, {checked} keys checked, "
              f"{len(wrong)} wrong, {len(phantom)} phantom")
        for line in wrong + phantom:
            print("WRONG:", line)
        done = sum(w.acknowledged for w in writers)
        return 1 if wrong or phantom or done < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
