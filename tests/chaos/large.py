"""Large objects: one PUT of SIZE streamed, read back as a whole and by ranges anywhere in it; two
large parts joined, one of them copied from the large object; the gateway's memory stays bounded.

    large.py [MEBIBYTES]        300 in CI; 5120, the largest single PUT of S3, by hand
"""
import hashlib
import http.client
import os
import random
import struct
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from devnet import Devnet  # noqa: E402
from s3 import S3Error  # noqa: E402

BLOCK = 1 << 20
PUT_MAX = 5 << 30
GATEWAY_MB_MAX = 200
STORE_MB_MAX = 100


class Content:
    """Bytes that differ in every MiB and are made as they are needed."""

    def __init__(self, size, seed):
        self.size = size
        self.base = random.Random(seed).randbytes(BLOCK)

    def block(self, i):
        whole = struct.pack(">Q", i) + self.base[8:]
        return whole[:min(BLOCK, self.size - i * BLOCK)]

    def blocks(self):
        for i in range((self.size + BLOCK - 1) // BLOCK):
            yield self.block(i)

    def piece(self, offset, length):
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        joined = b"".join(self.block(i) for i in range(first, last + 1))
        return joined[offset - first * BLOCK:offset - first * BLOCK + length]

    def md5(self):
        digest = hashlib.md5(usedforsecurity=False)
        for block in self.blocks():
            digest.update(block)
        return digest.digest()


class Memory:
    """Peaks of RssAnon + RssShmem in MB, sampled until stopped."""

    def __init__(self, net):
        self.gateway = net.info["gateways"][0]["pid"]
        self.stores = [store["pid"] for store in net.info["stores"]]
        self.peak_gateway = self.peak_store = 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    @staticmethod
    def rss_mb(pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return sum(int(line.split()[1]) for line in status
                       if line.startswith(("RssAnon:", "RssShmem:"))) / 1000

    def sample(self):
        while not self.over.wait(0.1) and os.path.exists(f"/proc/{self.gateway}"):
            self.peak_gateway = max(self.peak_gateway, self.rss_mb(self.gateway))
            self.peak_store = max(self.peak_store, *map(self.rss_mb, self.stores))

    def stop(self):
        self.over.set()
        self.thread.join()


def path_of(bucket, key):
    return "/" + urllib.parse.quote(f"{bucket}/{key}", safe="/-_.~")


def send(client, bucket, key, content, query=None):
    """A PUT whose body is never in memory; the answer's ETag."""
    connection = http.client.HTTPConnection(client.host, client.port, timeout=900)
    headers = client._headers("PUT", path_of(bucket, key), query or {}, b"",
                              {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    headers["content-length"] = str(content.size)
    target = path_of(bucket, key) + ("?" + urllib.parse.urlencode(query) if query else "")
    begin = time.monotonic()
    connection.request("PUT", target, body=content.blocks(), headers=headers,
                       encode_chunked=False)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise S3Error(answer.status, body)
    took = time.monotonic() - begin
    print(f"PUT {key}: {content.size >> 20} MiB in {took:.1f} s, "
          f"{content.size / took / 1e6:.0f} MB/s", flush=True)
    return answer.headers["ETag"].strip('"')


def receive(client, bucket, key, offset, length, expected):
    """A range, compared as it comes; `expected(offset, length)` says what it must be."""
    connection = http.client.HTTPConnection(client.host, client.port, timeout=300)
    headers = client._headers("GET", path_of(bucket, key), {}, b"",
                              {"range": f"bytes={offset}-{offset + length - 1}"})
    connection.request("GET", path_of(bucket, key), headers=headers)
    answer = connection.getresponse()
    assert answer.status == 206, (answer.status, answer.read(500))
    assert int(answer.headers["Content-Length"]) == length
    at = 0
    while at < length:
        got = answer.read(min(4 * BLOCK, length - at))
        assert got, f"{key} ends at {offset + at}"
        assert got == expected(offset + at, len(got)), f"{key} differs from {offset + at}"
        at += len(got)
    connection.close()


def check_ranges(client, bucket, key, size, expected, edges):
    begin = time.monotonic()
    receive(client, bucket, key, 0, size, expected)
    took = time.monotonic() - begin
    print(f"GET {key}: {size >> 20} MiB in {took:.1f} s, {size / took / 1e6:.0f} MB/s", flush=True)
    chooser = random.Random(size)
    ranges = [(0, 1), (size - 1, 1), (size - 65537, 65537)]
    for edge in edges:
        ranges += [(edge - 1, 2), (edge - 70_000, 140_000), (edge, 1)]
    for _ in range(30):
        offset = chooser.randrange(size)
        ranges.append((offset, min(size - offset, chooser.choice([1, 4097, 300_000, 3_000_000]))))
    for offset, length in ranges:
        if 0 <= offset and offset + length <= size:
            receive(client, bucket, key, offset, length, expected)
    client.close()  # idle for too long
    headers, body = client.call("GET", bucket, key, headers={"range": "bytes=-10"})
    assert body == expected(size - 10, 10)
    assert headers["Content-Range"] == f"bytes {size - 10}-{size - 1}/{size}"
    status, _, _ = client.request("GET", bucket, key, headers={"range": f"bytes={size}-"})
    assert status == 416, status


def check_too_large(client, bucket):
    """Refused before a byte of it is asked for."""
    connection = http.client.HTTPConnection(client.host, client.port, timeout=30)
    headers = client._headers("PUT", path_of(bucket, "too-large"), {}, b"",
                              {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    headers["content-length"] = str(PUT_MAX + 1)
    headers["expect"] = "100-continue"
    connection.request("PUT", path_of(bucket, "too-large"), headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 400 and b"EntityTooLarge" in body, (answer.status, body)
    connection.close()


def join_parts(client, large):
    """A part of its own, and one copied over from the other bucket: more than 1 GiB each, long."""
    size = large.size * 3 // 10
    client.close()
    part = Content(size + 12_345, 2)
    body = client.call("POST", "parts", "joined", query={"uploads": ""})[1].decode()
    upload = body.split("<UploadId>")[1].split("<")[0]
    etags = [send(client, "parts", "joined", part, {"partNumber": "1", "uploadId": upload})]
    assert etags[0] == part.md5().hex()
    client.close()
    begin = time.monotonic()
    first = large.size // 4 + 7
    body = client.call("PUT", "parts", "joined", query={"partNumber": "2", "uploadId": upload},
                       headers={"x-amz-copy-source": "/large/one",
                                "x-amz-copy-source-range": f"bytes={first}-{first + size - 1}"})
    assert b"<ETag>" in body[1], body
    took = time.monotonic() - begin
    early = "Content-Length" not in body[0]
    assert took < 12 or early, "a long copy leaves its client without a sign of life"
    print(f"copied a part of {size >> 20} MiB in {took:.1f} s, "
          f"{'answered early' if early else 'answered at the end'}", flush=True)
    etags.append(body[1].decode().split("<ETag>")[1].split("<")[0].replace("&quot;", ""))
    parts = "".join(f"<Part><PartNumber>{i + 1}</PartNumber><ETag>{etag}</ETag></Part>"
                    for i, etag in enumerate(etags))
    answer = client.call("POST", "parts", "joined", query={"uploadId": upload}, body=(
        f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").encode())
    assert b"<CompleteMultipartUploadResult" in answer[1], answer

    def expected(offset, length):
        own = max(0, min(length, part.size - offset))
        left = part.piece(offset, own) if own else b""
        skip = max(0, offset - part.size)
        return left + (large.piece(first + skip, length - own) if length > own else b"")

    return part.size + size, part.size, expected


def main():
    mebibytes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    large = Content(mebibytes << 20, 1)
    with Devnet(extra=["--capacity", f"{max(8, mebibytes // 256)}GiB"]) as net:
        client = net.s3(timeout=900)
        client.make_bucket("large")
        client.make_bucket("parts")
        memory = Memory(net)
        check_too_large(client, "large")
        etag = send(client, "large", "one", large)
        assert etag == large.md5().hex()
        edges = [k << 20 for k in (32, 64, 96)] + [1 << 32]
        check_ranges(client, "large", "one", large.size, large.piece, edges)
        size, edge, expected = join_parts(client, large)
        check_ranges(client, "parts", "joined", size, expected, [edge])
        client.close()
        client.call("PUT", "large", "again", headers={"x-amz-copy-source": "/large/one"})
        receive(client, "large", "again", large.size // 2, 100_000, large.piece)
        net.wait_complete(900)
        memory.stop()
        print(f"peak gateway {memory.peak_gateway:.0f} MB, storage node {memory.peak_store:.0f} MB",
              flush=True)
        return 0 if (memory.peak_gateway <= GATEWAY_MB_MAX and
                     memory.peak_store <= STORE_MB_MAX) else 1


if __name__ == "__main__":
    sys.exit(main())
