"""A gateway whose disk is gone rebuilds every bucket from chain, network and the owner's account key: the
master key comes out of its envelope in the network by a passphrase. The same S3 keys work and every
object reads back. Multipart uploads that were under way go on.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from devnet import CAIRN, Devnet, kill  # noqa: E402


def cairn(*args):
    done = subprocess.run([CAIRN, *args], capture_output=True, text=True, timeout=300, check=False)
    print(f"cairn {' '.join(args[:3])}: {done.returncode} {done.stdout.strip()[-300:]} "
          f"{done.stderr.strip()[-500:]}", flush=True)
    return done


def user_ids(net):
    done = cairn("gateway", "user", "list", "--devnet", net.path("devnet.json"), "--json")
    assert done.returncode == 0
    return {user["id"]: user for user in map(json.loads, done.stdout.splitlines())}


def restore_without_master(net, gateway):
    """The master key's file is gone, too: wrong words open nothing, the right ones do."""
    owner = net.info["owner"]
    saved = net.path("saved.master")
    os.rename(owner["master_file"], saved)
    verb = ("gateway", "restore", gateway["metrics"], "--gateway", "1",
            "--devnet", net.path("devnet.json"), "--json")
    assert cairn(*verb).returncode != 0
    wrong = net.path("wrong.passphrase")
    with open(wrong, "w", encoding="ascii") as out:
        out.write("not these words\n")
    done = cairn(*verb, "--passphrase-file", wrong)
    assert done.returncode == 6 and "passphrase is wrong" in done.stderr, done
    begin = time.monotonic()
    assert cairn(*verb, "--passphrase-file", owner["passphrase_file"]).returncode == 0
    print(f"restored after {time.monotonic() - begin:.1f} s", flush=True)

    done = cairn("key", "recover", "back", "--dir", net.path("recovered"), "--devnet",
                 net.path("devnet.json"), "--passphrase-file", owner["passphrase_file"])
    assert done.returncode == 0
    with open(net.path("recovered/back.master"), encoding="ascii") as back, \
            open(saved, encoding="ascii") as before:
        assert back.read() == before.read()
    os.rename(saved, owner["master_file"])


BULK = 3000
BULK_THREADS = 16


def run_all(work):
    threads = [threading.Thread(target=work, args=(i,)) for i in range(BULK_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bulk(net, objects):
    """Small objects in one bucket, enough for a snapshot: some are replaced, some deleted, and one
    journal record in four keeps next to nothing. The snapshot leaves the others where they are."""
    def body(i, version):
        return random.Random(f"{i}/{version}").randbytes(3000)

    def first(start):
        client = net.s3(timeout=120)
        for i in range(start, BULK, BULK_THREADS):
            client.retry(client.put, 120, "bulk", f"{i:05}", body(i, 0))

    def second(start):
        client = net.s3(timeout=120)
        for i in range(start, BULK, BULK_THREADS):
            if i // 160 % 4 == 0 and i % 40 != 0:
                client.retry(client.delete, 120, "bulk", f"{i:05}")
            elif i % 9 == 0:
                client.retry(client.put, 120, "bulk", f"{i:05}", body(i, 1))

    net.s3().make_bucket("bulk")
    run_all(first)
    run_all(second)
    for i in range(BULK):
        if i // 160 % 4 != 0 or i % 40 == 0:
            objects["bulk", f"{i:05}"] = body(i, int(i % 9 == 0))


def make_snapshot(net, objects):
    """Large enough a journal behind the last one; until the gateway says that it wrote one."""
    client = net.s3(timeout=120)
    log = net.info["gateways"][0]["log"]
    for i in range(2000):
        with open(log, encoding="utf-8", errors="replace") as lines:
            if sum("bucket bulk: snapshot" in line for line in lines) >= 1:
                return
        client.put("bulk", f"more{i}", bytes(4000))
        objects["bulk", f"more{i}"] = bytes(4000)
    raise AssertionError("no snapshot")


def check_direct(net, objects):
    """Without any gateway: objects that a snapshot left in their records, and a deleted one."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out")
        for key in ("00161", "00171", "00320", "02999", "00000"):
            net.cairn("get", "--direct", f"bulk/{key}", path, timeout=120)
            with open(path, "rb") as file:
                assert file.read() == objects["bulk", key], key
            os.remove(path)
        try:
            net.cairn("get", "--direct", "bulk/00001", path, timeout=120)
        except RuntimeError as fault:
            assert ": 3: " in str(fault), fault
        else:
            raise AssertionError("a deleted object was read")


def main():
    chooser = random.Random(11)
    with Devnet() as net:
        client = net.s3(timeout=120)
        objects = {}
        for bucket in ("one", "two"):
            client.make_bucket(bucket)
            for i in range(120):
                body = chooser.randbytes(chooser.choice([0, 10, 3000, 5000, 60_000]))
                client.put(bucket, f"dir{i % 7}/{i}", body)
                objects[bucket, f"dir{i % 7}/{i}"] = body
        for i in range(0, 120, 9):
            client.delete("one", f"dir{i % 7}/{i}")
            del objects["one", f"dir{i % 7}/{i}"]
        big = chooser.randbytes(12_000_000)
        client.put("two", "big", big)
        objects["two", "big"] = big
        upload = client.call("POST", "two", "parts", query={"uploads": ""})[1].decode()
        upload = upload.split("<UploadId>")[1].split("<")[0]
        part = chooser.randbytes(5 << 20)
        etag = client.call("PUT", "two", "parts", body=part,
                           query={"partNumber": "1", "uploadId": upload})[0]["ETag"]
        gateway = net.info["gateways"][0]
        done = cairn("gateway", "user", "add", "--data", gateway["data"], "--devnet",
                     net.path("devnet.json"), "--id", "alice", "--display-name", "Alice A.",
                     "--email", "alice@example.org", "--tenant", "research",
                     "--access-key", "ALICE", "--secret-key", "AliceSecret")
        assert done.returncode == 0


        bulk(net, objects)
        make_snapshot(net, objects)
        net.wait_complete(120)
        check_direct(net, objects)

        kill(gateway["pid"])
        shutil.rmtree(gateway["data"])
        net.restart(gateway)
        restore_without_master(net, gateway)

        client = net.s3(timeout=120)
        for bucket in ("one", "two", "bulk"):
            listed = client.retry(client.list, 60, bucket)
            assert sorted(listed) == sorted(k for b, k in objects if b == bucket), bucket
        for (bucket, key), body in objects.items():
            assert client.get(bucket, key) == body, (bucket, key)
        client.call("POST", "two", "parts", query={"uploadId": upload}, body=(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
            f"<ETag>{etag}</ETag></Part></CompleteMultipartUpload>").encode())
        assert client.get("two", "parts") == part
        users = user_ids(net)
        assert sorted(users) == ["alice", "owner"], users
        assert (users["alice"]["email"], users["alice"]["tenant"], users["alice"]["display_name"]) == (
            "alice@example.org", "research", "Alice A.")
        assert "secret_key" not in users["alice"]
        client = net.s3(timeout=120)
        client.access, client.secret = "ALICE", "AliceSecret"
        client.put("one", "after", b"works")
        assert client.get("one", "after") == b"works"
        print(f"{len(objects)} objects in 3 buckets, 1 upload under way: all there", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
