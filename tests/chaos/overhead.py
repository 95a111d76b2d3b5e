"""Stored bytes per user byte, all storage nodes together: everything (fragments, trees, journals, indexes;
allocated bytes on disk) at most 4.5 at 1 KiB in bulk, 3.4 from 64 KiB; content alone (what the fragments
have, without the journal's own bytes) at most 3.3.

    overhead.py [COUNT...]

COUNT: instead, that many objects of 1 KiB, each in a devnet of its own. 2,000 and fewer are over the bar:
an empty index takes 100 KiB on each of twelve nodes as soon as it is in use.
"""
import json
import os
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from devnet import Devnet  # noqa: E402

# name, object size, count, bar of all
CASES = [("1 KiB", 1 << 10, 10_000, 4.5), ("64 KiB", 64 << 10, 200, 3.4), ("1 MiB", 1 << 20, 20, 3.4),
         ("20 MiB", 20 << 20, 1, 3.4)]
if os.environ.get("CAIRN_TEST_LONG") == "1":
    CASES = [("1 KiB", 1 << 10, 10_000, 4.5), ("64 KiB", 64 << 10, 800, 3.4),
             ("1 MiB", 1 << 20, 60, 3.4), ("100 MiB", 100 << 20, 1, 3.4)]
CONTENT_BAR = 3.3
CODED = 3  # bytes of fragments for a byte of a segment, class rs-4-8
THREADS = 16


def stored(net):
    """Allocated bytes of all storage nodes."""
    total = 0
    for store in net.info["stores"]:
        for folder, _, files in os.walk(store["data"]):
            total += sum(os.stat(os.path.join(folder, name)).st_blocks * 512 for name in files)
    return total


def fragments(net):
    """What the nodes say their fragments' bytes are."""
    total = 0
    for store in net.info["stores"]:
        with urllib.request.urlopen(store["url"] + "/v1/status", timeout=10) as answer:
            total += json.load(answer)["bytes"]
    return total


def journal(net):
    """Bytes of fragments that are the journal's own: without the content of small objects in it. What a
    snapshot stores of such content a second time is content."""
    m = net.metrics(net.info["gateways"][0]["metrics"])
    own = m["cairn_gateway_journal_bytes"] - m["cairn_gateway_journal_content_bytes"]
    return CODED * own


def put_all(net, bucket, size, count):
    block = os.urandom(size)

    def work(first):
        client = net.s3(timeout=300)
        for i in range(first, count, THREADS):
            body = i.to_bytes(8, "big") + block[8:]
            client.retry(client.put, 120, bucket, f"{size}/{i:06}", body)
        client.close()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(min(THREADS, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(net, name, size, count, bar):
    """True: within the bars."""
    net.wait_complete(120)
    before, fragments_before, journal_before = stored(net), fragments(net), journal(net)
    begin = time.monotonic()
    put_all(net, "overhead", size, count)
    took = time.monotonic() - begin
    net.wait_complete(300)
    user = size * count
    total = (stored(net) - before) / user
    coded = (fragments(net) - fragments_before) / user
    content = coded - (journal(net) - journal_before) / user
    print(f"{name:>8} x {count}: {total:.2f} all, bar {bar}; {content:.2f} content alone, bar "
          f"{CONTENT_BAR}; {coded:.2f} in fragments ({count / took:.0f} puts/s)", flush=True)
    return total <= bar and content <= CONTENT_BAR


def run(cases):
    with Devnet() as net:
        net.s3().make_bucket("overhead")
        return all([measure(net, *case) for case in cases])


def main():
    counts = [int(word) for word in sys.argv[1:]]
    if not counts:
        return 0 if run(CASES) else 1
    good = [run([("1 KiB", 1 << 10, count, 4.5)]) for count in counts]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
