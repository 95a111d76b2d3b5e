"""64 uploads of 64 MiB at once: the gateway's peak RssAnon + RssShmem stays under 200 MB, a storage
node's under 100 MB, and every object reads back.

    memory.py [UPLOADS] [MEBIBYTES]
"""
import hashlib
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from devnet import Devnet  # noqa: E402

GATEWAY_MB_MAX = 200
STORE_MB_MAX = 100


def rss_mb(pid):
    total = 0
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1])
    return total / 1000


def main():
    uploads = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    size = (int(sys.argv[2]) if len(sys.argv) > 2 else 64) << 20
    block = os.urandom(1 << 20)
    body = block * (size >> 20)
    digest = hashlib.sha256(body).hexdigest()
    with Devnet() as net:
        net.s3().make_bucket("memory")
        gateway = net.info["gateways"][0]["pid"]
        stores = [store["pid"] for store in net.info["stores"]]
        peak = {"gateway": 0.0, "store": 0.0}
        stop = threading.Event()
        failures = []

        def sample():
            while not stop.wait(0.05):
                peak["gateway"] = max(peak["gateway"], rss_mb(gateway))
                peak["store"] = max(peak["store"], max(rss_mb(pid) for pid in stores))

        def put(number):
            client = net.s3(timeout=600)
            try:
                client.retry(client.put, 300, "memory", f"object-{number}", body)
            except Exception as fault:  # noqa: BLE001: reported below
                failures.append(f"{number}: {fault}")
            client.close()

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        begin = time.monotonic()
        threads = [threading.Thread(target=put, args=(i,)) for i in range(uploads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begin
        stop.set()
        sampler.join()
        print(f"{uploads} uploads of {size >> 20} MiB in {took:.1f} s "
              f"({uploads * size / took / 1e6:.0f} MB/s); peak gateway {peak['gateway']:.0f} MB, "
              f"storage node {peak['store']:.0f} MB; {len(failures)} failed", flush=True)
        for failure in failures[:5]:
            print("FAILED:", failure)
        client = net.s3(timeout=300)
        for number in range(0, uploads, max(1, uploads // 8)):
            found = client.get("memory", f"object-{number}")
            if hashlib.sha256(found).hexdigest() != digest:
                failures.append(f"object-{number} differs")
        good = not failures and peak["gateway"] <= GATEWAY_MB_MAX and peak["store"] <= STORE_MB_MAX
        return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
