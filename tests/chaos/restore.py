"""A gateway whose disk is gone rebuilds every bucket from chain, network and the owner's key; the same
S3 keys work and every object reads back. Multipart uploads that were under way go on.
"""
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from devnet import CAIRN, Devnet, kill  # noqa: E402


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
        net.wait_complete(120)

        gateway = net.info["gateways"][0]
        kill(gateway["pid"])
        shutil.rmtree(gateway["data"])
        net.restart(gateway)
        begin = time.monotonic()
        done = subprocess.run([CAIRN, "gateway", "restore", gateway["metrics"], "--gateway", "1",
                               "--devnet", net.path("devnet.json"), "--json"],
                              capture_output=True, text=True, timeout=300, check=False)
        print(f"restore: {done.returncode} after {time.monotonic() - begin:.1f} s: "
              f"{done.stdout.strip()} {done.stderr.strip()[-500:]}", flush=True)
        assert done.returncode == 0

        client = net.s3(timeout=120)
        for bucket in ("one", "two"):
            listed = client.retry(client.list, 60, bucket)
            assert sorted(listed) == sorted(k for b, k in objects if b == bucket), bucket
        for (bucket, key), body in objects.items():
            assert client.get(bucket, key) == body, (bucket, key)
        client.call("POST", "two", "parts", query={"uploadId": upload}, body=(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
            f"<ETag>{etag}</ETag></Part></CompleteMultipartUpload>").encode())
        assert client.get("two", "parts") == part
        client.put("one", "after", b"works")
        assert client.get("one", "after") == b"works"
        print(f"{len(objects)} objects in 2 buckets, 1 upload under way: all there", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
