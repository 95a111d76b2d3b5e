"""Storage nodes that return wrong bytes, truncated bytes, or stall: reads still succeed with the right
bytes, and the node is named in the gateway's log.
"""
import hashlib
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from devnet import Devnet, kill  # noqa: E402

SIZES = [5_000, 300_000, 3_000_000, 20_000_000]
NAMED = {"wrong-bytes": "served wrong bytes", "truncate": "", "stall": "stalls", "refuse": ""}


def set_fault(net, store, kind):
    config = os.path.join(os.path.dirname(store["log"]), "config.json")
    with open(config, encoding="utf-8") as file:
        settings = json.load(file)
    settings.pop("fault", None)
    if kind:
        settings["fault"] = {"kind": kind}
    with open(config, "w", encoding="utf-8") as file:
        json.dump(settings, file)
    kill(store["pid"])
    net.restart(store)


def wait_healthy(store, seconds=30):
    import urllib.request
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(store["metrics"] + "/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        assert time.monotonic() < end, f"store {store['i']} is not healthy"
        time.sleep(0.2)


def gateway_log(net):
    with open(net.info["gateways"][0]["log"], encoding="utf-8", errors="replace") as file:
        return file.read()


def wait_log(net, before, words):
    """What the gateway wrote since; a stalled holder is given up, and named, after 20 s."""
    end = time.monotonic() + 30
    while words not in gateway_log(net)[before:] and time.monotonic() < end:
        time.sleep(0.5)
    return gateway_log(net)[before:]


def main():
    chooser = random.Random(5)
    with Devnet() as net:
        client = net.s3(timeout=120)
        client.make_bucket("liars")
        objects = {f"o{n}": chooser.randbytes(n) for n in SIZES}
        for key, body in objects.items():
            client.put("liars", key, body)
        net.wait_complete(120)
        for kind, words in NAMED.items():
            bad = chooser.sample(net.info["stores"], 4)
            for store in bad:
                set_fault(net, store, kind)
            for store in bad:
                wait_healthy(store)
            before = len(gateway_log(net))
            begin = time.monotonic()
            for _ in range(2):
                for key, body in objects.items():
                    found = client.get("liars", key)
                    assert hashlib.sha256(found).digest() == hashlib.sha256(body).digest(), key
            took = time.monotonic() - begin
            client.put("liars", f"new-{kind}", objects["o300000"])
            assert client.get("liars", f"new-{kind}") == objects["o300000"]
            log = wait_log(net, before, words)
            named = [s["i"] for s in bad if f"provider {s['i']} " in log or
                     s["address"].lower() in log.lower()]
            print(f"4 of 12 {kind}: reads right in {took:.1f} s, named {len(named)}", flush=True)
            if words:
                assert words in log, f"nobody was named for {kind}:\n{log[-2000:]}"
                assert named, kind
            for store in bad:
                set_fault(net, store, None)
            for store in bad:
                wait_healthy(store)
    return 0


if __name__ == "__main__":
    sys.exit(main())
