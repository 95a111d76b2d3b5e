"""Losing holders: any 8 of 12 may die once objects are complete; 9 give a clear error within seconds;
empty disks are filled again without a person.
"""
import hashlib
import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from devnet import Devnet, kill  # noqa: E402

SIZES = [1, 4096, 100_000, 1_500_000, 9_000_000, 40_000_000]


def wait_complete(net, seconds):
    """Until every segment has all its holders."""
    end = time.monotonic() + seconds
    while True:
        state = net.cairn("segment", "list", "--summary")
        if state["segments"] > 0 and state["complete"] == state["segments"]:
            return state
        if time.monotonic() > end:
            raise AssertionError(f"not complete after {seconds} s: {state}")
        time.sleep(1)


def read_all(client, objects):
    for key, body in objects.items():
        found = client.retry(client.get, 60, "loss", key)
        assert hashlib.sha256(found).digest() == hashlib.sha256(body).digest(), key


def main():
    chooser = random.Random(int(os.environ.get("SEED", "7")))
    with Devnet() as net:
        client = net.s3(timeout=90)
        client.make_bucket("loss")
        objects = {f"size-{n}": chooser.randbytes(n) for n in SIZES}
        objects |= {f"small/{i}": chooser.randbytes(2000 + i) for i in range(40)}
        for key, body in objects.items():
            client.put("loss", key, body)
        print("complete:", wait_complete(net, 120), flush=True)

        stores = net.info["stores"]
        dead = chooser.sample(stores, 9)
        for store in dead[:8]:
            kill(store["pid"])
        begin = time.monotonic()
        read_all(client, objects)
        print(f"8 of 12 dead: everything reads back ({time.monotonic() - begin:.1f} s)", flush=True)

        kill(dead[8]["pid"])
        begin = time.monotonic()
        try:
            status, _, body = client.request("GET", "loss", f"size-{SIZES[-1]}")
        except OSError as fault:
            status, body = 0, str(fault).encode()
        took = time.monotonic() - begin
        assert status in (500, 503, 0) and took < 20, (status, took)
        assert status == 0 or b"<Error>" in body, body[:200]
        print(f"9 of 12 dead: {status} after {took:.1f} s", flush=True)

        net.cairn("devnet", "revive", str(dead[8]["i"]), timeout=60)
        for store in dead[:8]:
            shutil.rmtree(net.path("stores", str(store["i"]), "data"), ignore_errors=True)
            net.cairn("devnet", "revive", str(store["i"]), timeout=60)
        begin = time.monotonic()
        print("empty disks repaired:", wait_complete(net, 300),
              f"{time.monotonic() - begin:.0f} s", flush=True)
        read_all(client, objects)
    return 0


if __name__ == "__main__":
    sys.exit(main())
