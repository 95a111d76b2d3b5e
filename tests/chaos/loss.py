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


def wait_noticed(net, seconds):
    """Until the watcher has seen that segments lack holders."""
    end = time.monotonic() + seconds
    while not net.metrics(net.info["gateways"][0]["metrics"])["cairn_watch_incomplete_segments"]:
        assert time.monotonic() < end, "nobody noticed that 8 disks are empty"
        time.sleep(0.2)


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
        net.wait_complete(120)
        print("complete", flush=True)

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

        for store in dead[:8]:
            shutil.rmtree(store["data"])
        for store in dead:
            net.restart(store)
        before = net.metrics(net.info["gateways"][0]["metrics"])
        begin = time.monotonic()
        wait_noticed(net, 60)
        after = net.wait_complete(400)
        took = time.monotonic() - begin
        restored = after["cairn_watch_restored_bytes"] - before["cairn_watch_restored_bytes"]
        moved = after["cairn_watch_moved_bytes"] - before["cairn_watch_moved_bytes"]
        print(f"8 empty disks filled again in {took:.0f} s: {restored / 1e6:.1f} MB restored, "
              f"{moved / max(restored, 1):.2f} bytes moved for each", flush=True)
        read_all(client, objects)
        for store in chooser.sample(net.info["stores"], 8):
            kill(store["pid"])
        read_all(client, objects)
        print("another 8 dead: everything reads back", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
