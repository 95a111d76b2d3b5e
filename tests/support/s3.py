"""A small S3 client for tests: standard library only, SigV4 header signing, one connection a thread.

    client = S3(devnet)            # a parsed devnet.json
    client.put("bucket", "key", b"...")
"""
import datetime
import hashlib
import hmac
import http.client
import json
import time
import urllib.parse


class S3Error(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body[:300]!r}")
        self.status = status
        self.body = body


def load_devnet(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class S3:
    def __init__(self, devnet, timeout=60):
        s3 = devnet["s3"]
        url = urllib.parse.urlparse(s3["http"])
        self.host, self.port = url.hostname, url.port
        self.region = s3["region"]
        self.access, self.secret = s3["access_key"], s3["secret_key"]
        self.timeout = timeout
        self.connection = None

    def _headers(self, method, path, query, body, extra):
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        headers = {
            "host": f"{self.host}:{self.port}",
            "x-amz-date": stamp,
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        }
        headers.update({name.lower(): value for name, value in extra.items()})
        names = ";".join(sorted(headers))
        canonical = "\n".join([
            method, path,
            "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}"
                     for k, v in sorted(query.items())),
            "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers)), names,
            headers["x-amz-content-sha256"],
        ])
        scope = f"{day}/{self.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = _hmac(_hmac(_hmac(_hmac(("AWS4" + self.secret).encode(), day), self.region), "s3"),
                    "aws4_request")
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, "
                                    f"SignedHeaders={names}, Signature={signature}")
        return headers

    def request(self, method, bucket="", key="", query=None, body=b"", headers=None):
        """One request; the answer's (status, headers, body). Network faults are raised."""
        path = "/" + urllib.parse.quote(bucket + ("/" + key if key else ""), safe="/-_.~")
        query = query or {}
        signed = self._headers(method, path, query, body, headers or {})
        target = path + ("?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
                         if query else "")
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port,
                                                         timeout=self.timeout)
        try:
            self.connection.request(method, target, body=body, headers=signed)
            answer = self.connection.getresponse()
            content = answer.read()
        except Exception:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return answer.status, dict(answer.getheaders()), content

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def call(self, method, *args, ok=(200, 204, 206), **kwargs):
        status, headers, body = self.request(method, *args, **kwargs)
        if status not in ok:
            raise S3Error(status, body)
        return headers, body

    def make_bucket(self, bucket):
        return self.call("PUT", bucket)

    def put(self, bucket, key, body):
        return self.call("PUT", bucket, key, body=body)

    def get(self, bucket, key):
        return self.call("GET", bucket, key)[1]

    def delete(self, bucket, key):
        return self.call("DELETE", bucket, key)

    def list(self, bucket):
        """All keys, page by page."""
        keys, token = [], None
        while True:
            query = {"list-type": "2"}
            if token:
                query["continuation-token"] = token
            text = self.call("GET", bucket, query=query)[1].decode()
            keys += [_unescape(part.split("</Key>")[0]) for part in text.split("<Key>")[1:]]
            if "<IsTruncated>true" not in text:
                return keys
            token = _unescape(text.split("<NextContinuationToken>")[1].split("<")[0])

    def retry(self, what, seconds, *args):
        """Calls until it works or the time is over; the last fault is raised."""
        end = time.monotonic() + seconds
        while True:
            try:
                return what(*args)
            except (S3Error, OSError, http.client.HTTPException):
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)


def _unescape(text):
    for entity, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"),
                         ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(entity, char)
    return text
