"""Full disks: a storage node whose disk is full, then a gateway whose disk is full. Writes either work or
fail with a clear error in S3's own form, nothing answered is lost, nobody crashes, and writes work again
when there is room. Disks are sized tmpfs; without the right to mount, the test says so and exits 77.
"""
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from devnet import Devnet, kill  # noqa: E402
from s3 import S3Error  # noqa: E402


class SmallDisk:
    """A role's data folder on a tmpfs of `megabytes`, keeping what is in it."""

    def __init__(self, net, role, megabytes):
        self.path = role["data"]
        kill(role["pid"])
        saved = self.path + ".saved"
        shutil.move(self.path, saved)
        os.mkdir(self.path, 0o700)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs",
                               self.path], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print("skipped: cannot mount a tmpfs here:", done.stderr.strip())
            sys.exit(77)
        subprocess.run(["cp", "-a", "--sparse=always", saved + "/.", self.path], check=True)
        shutil.rmtree(saved)
        net.restart(role)

    def fill(self):
        """Leaves no block free."""
        filler = os.open(os.path.join(self.path, "filler"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            while True:
                os.write(filler, b"\0" * 65536)
        except OSError:
            os.close(filler)

    def empty(self):
        os.remove(os.path.join(self.path, "filler"))

    def gone(self):
        subprocess.run(["umount", "-l", self.path], check=False)


def wait_ready(url, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url + "/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        assert time.monotonic() < end, f"{url} is not ready"
        time.sleep(0.2)


def alive(role):
    return os.path.exists(f"/proc/{role['pid']}")


def put_some(client, chooser, objects, count, size):
    """Puts; what was answered goes into objects. Returns the failures' statuses."""
    failures = []
    for i in range(count):
        key, body = f"k{len(objects)}-{i}", chooser.randbytes(size)
        try:
            client.put("full", key, body)
            objects[key] = body
        except S3Error as fault:
            assert b"<Error><Code>" in fault.body, fault.body
            failures.append(fault.status)
    return failures


def main():
    chooser = random.Random(3)
    objects = {}
    with Devnet() as net:
        client = net.s3(timeout=90)
        client.make_bucket("full")
        store, gateway = net.info["stores"][0], net.info["gateways"][0]
        disk = SmallDisk(net, store, 192)
        try:
            wait_ready(store["metrics"])
            put_some(client, chooser, objects, 4, 200_000)
            disk.fill()
            failures = put_some(client, chooser, objects, 12, 3_000_000)
            with urllib.request.urlopen(store["url"] + "/v1/status", timeout=5) as answer:
                status = answer.read().decode()
            print(f"store full: {len(objects)} puts answered, failures {failures}, "
                  f"alarms {status[status.find('alarms'):][:120]}", flush=True)
            assert not failures and alive(store)
            disk.empty()
        finally:
            kill(store["pid"])
            disk.gone()

        disk = SmallDisk(net, gateway, 640)  # the gateway keeps 256 MiB free
        try:
            wait_ready(gateway["metrics"])
            client = net.s3(timeout=90)
            for key, body in objects.items():
                assert client.get("full", key) == body, key
            disk.fill()
            failures = put_some(client, chooser, objects, 6, 2_000_000)
            print(f"gateway full: failures {failures}", flush=True)
            assert failures and all(status in (500, 503, 507) for status in failures), failures
            assert alive(gateway)
            for key, body in objects.items():
                assert client.get("full", key) == body, key
            disk.empty()
            end = time.monotonic() + 60
            while failures := put_some(client, chooser, objects, 1, 500_000):
                assert time.monotonic() < end, f"there is room, but writes fail: {failures}"
                time.sleep(1)
            kill(gateway["pid"])
            net.restart(gateway)
            wait_ready(gateway["metrics"])
            client = net.s3(timeout=90)
            for key, body in objects.items():
                assert client.get("full", key) == body, key
            print(f"room again: writes work, {len(objects)} objects read back after a restart")
        finally:
            kill(gateway["pid"])
            disk.gone()
    return 0


if __name__ == "__main__":
    sys.exit(main())
