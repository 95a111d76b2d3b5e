"""An independent model of src/data: prints the vectors that src/data/vectors_test.c checks.

Standard library only, written from docs/formats, not from the C. Keccak-256, AES-256-GCM, GF(2^8)
and secp256k1 are here because the library has none of them; each is checked against a published
vector before anything is printed.

    python3 tests/models/storage_model.py > tests/models/storage_vectors.json
"""
import hashlib
import hmac
import json
import struct

MASK64 = (1 << 64) - 1


def u8(v):
    return struct.pack(">B", v)


def u16(v):
    return struct.pack(">H", v)


def u32(v):
    return struct.pack(">I", v)


def u64(v):
    return struct.pack(">Q", v)


def sha256(data):
    return hashlib.sha256(data).digest()


def sample(name, length):
    """Bytes that both sides can make: SHA-256(name, counter u32) blocks, cut."""
    out = b""
    counter = 0
    while len(out) < length:
        out += sha256(name.encode() + u32(counter))
        counter += 1
    return out[:length]


# Keccak-256, FIPS 202's permutation with the padding 0x01.

def keccak256(data):
    def rotate(v, by):
        by %= 64
        return (v << by | v >> (64 - by)) & MASK64

    constants = []
    lfsr = 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if lfsr & 1:
                constant |= 1 << ((1 << j) - 1)
            lfsr = lfsr << 1 ^ (0x171 if lfsr & 0x80 else 0)
        constants.append(constant)
    data += b"\x01" + bytes(-(len(data) + 1) % 136)
    data = data[:-1] + bytes([data[-1] | 0x80])
    lanes = [0] * 25
    for block in range(0, len(data), 136):
        for i in range(17):
            lanes[i] ^= struct.unpack_from("<Q", data, block + 8 * i)[0]
        for constant in constants:
            column = [0] * 5
            for i in range(25):
                column[i % 5] ^= lanes[i]
            lanes = [lanes[i] ^ column[(i + 4) % 5] ^ rotate(column[(i + 1) % 5], 1)
                     for i in range(25)]
            x, y, current = 1, 0, lanes[1]
            for t in range(24):
                x, y = y, (2 * x + 3 * y) % 5
                at, by = x + 5 * y, (t + 1) * (t + 2) // 2
                current, lanes[at] = lanes[at], rotate(current, by)
            lanes = [lanes[i] ^ (~lanes[i // 5 * 5 + (i + 1) % 5] & lanes[i // 5 * 5 + (i + 2) % 5])
                     & MASK64 for i in range(25)]
            lanes[0] ^= constant
    return b"".join(struct.pack("<Q", lane) for lane in lanes[:4])


assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
assert keccak256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"


# secp256k1 with RFC 6979 nonces and recoverable, low-s signatures.

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k, point):
    out = None
    while k:
        if k & 1:
            out = add(out, point)
        point = add(point, point)
        k >>= 1
    return out


def compressed(point):
    return u8(2 + (point[1] & 1)) + point[0].to_bytes(32, "big")


def address_of(secret):
    x, y = multiply(int.from_bytes(secret, "big"), G)
    return keccak256(x.to_bytes(32, "big") + y.to_bytes(32, "big"))[12:]


def rfc6979(secret, digest):
    def mac(key, data):
        return hmac.new(key, data, "sha256").digest()

    key, value = bytes(32), b"\x01" * 32
    for byte in (b"\x00", b"\x01"):
        key = mac(key, value + byte + secret + digest)
        value = mac(key, value)
    while True:
        value = mac(key, value)
        k = int.from_bytes(value, "big")
        if 0 < k < N:
            return k
        key = mac(key, value + b"\x00")
        value = mac(key, value)


def sign(secret, digest):
    """r ‖ s ‖ v."""
    k = rfc6979(secret, digest)
    point = multiply(k, G)
    r = point[0] % N
    s = pow(k, -1, N) * (int.from_bytes(digest, "big") + r * int.from_bytes(secret, "big")) % N
    v = point[1] & 1
    if s > N // 2:
        s, v = N - s, v ^ 1
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + u8(v)


# The address of the key 1 is widely published.
assert address_of(u32(0) * 7 + u32(1)).hex() == "7e5f4552091a69125d5dfcb7b8c2659029395bdf"


# AES-256-GCM.

def aes_sbox():
    box = [0] * 256
    p = q = 1
    while True:
        p = p ^ (p << 1 & 0xff) ^ (0x1b if p & 0x80 else 0)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xff
        if q & 0x80:
            q ^= 0x09
        box[p] = q ^ (q << 1 | q >> 7) & 0xff ^ (q << 2 | q >> 6) & 0xff ^ (q << 3 | q >> 5) & 0xff
        box[p] = (box[p] ^ (q << 4 | q >> 4) & 0xff) ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


SBOX = aes_sbox()


def aes_schedule(key):
    words = [list(key[i:i + 4]) for i in range(0, 32, 4)]
    constant = 1
    for i in range(8, 60):
        word = list(words[i - 1])
        if i % 8 == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= constant
            constant <<= 1
        elif i % 8 == 4:
            word = [SBOX[b] for b in word]
        words.append([a ^ b for a, b in zip(words[i - 8], word)])
    return [sum(words[4 * r:4 * r + 4], []) for r in range(15)]


def double(b):
    return (b << 1 ^ (0x11b if b & 0x80 else 0)) & 0xff


def aes_block(schedule, block):
    state = [a ^ b for a, b in zip(block, schedule[0])]
    for r in range(1, 15):
        state = [SBOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if r < 14:
            mixed = []
            for c in range(0, 16, 4):
                a = state[c:c + 4]
                every = a[0] ^ a[1] ^ a[2] ^ a[3]
                mixed += [a[i] ^ every ^ double(a[i] ^ a[(i + 1) % 4]) for i in range(4)]
            state = mixed
        state = [a ^ b for a, b in zip(state, schedule[r])]
    return bytes(state)


def ghash(h, data):
    h = int.from_bytes(h, "big")
    table = []  # h times x^i
    for _ in range(128):
        table.append(h)
        h = h >> 1 ^ (0xe1 << 120 if h & 1 else 0)
    y = 0
    for at in range(0, len(data), 16):
        x = y ^ int.from_bytes(data[at:at + 16], "big")
        y = 0
        for i in range(128):
            if x >> (127 - i) & 1:
                y ^= table[i]
    return y.to_bytes(16, "big")


def gcm_seal(key, nonce, plain):
    """No associated data."""
    schedule = aes_schedule(key)
    out = b""
    for i in range(0, len(plain), 16):
        pad = aes_block(schedule, nonce + u32(i // 16 + 2))
        out += bytes(a ^ b for a, b in zip(plain[i:i + 16], pad))
    hashed = out + bytes(-len(out) % 16) + u64(0) + u64(8 * len(out))
    tag = ghash(aes_block(schedule, bytes(16)), hashed)
    mask = aes_block(schedule, nonce + u32(1))
    return out + bytes(a ^ b for a, b in zip(tag, mask))


# Cases 13 and 14 of the GCM submission.
assert gcm_seal(bytes(32), bytes(12), b"").hex() == "530f8afbc74536b9a963b4f1c4cb738b"
assert gcm_seal(bytes(32), bytes(12), bytes(16)).hex() == \
    "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"


# Trees, shapes and codes: docs/formats/segment.md.

CLASSES = {1: (4, 8), 2: (10, 20), 3: (8, 4), 4: (2, 4)}
UNIT = 65536
LEAF = 4096


def tree(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01" + tree(leaves[:half]) + tree(leaves[half:]))


def fragment_root(fragment):
    return tree([sha256(b"\x00" + fragment[at:at + LEAF]) for at in range(0, len(fragment), LEAF)])


# GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1.
EXP = [1]
while len(EXP) < 255:
    EXP.append(EXP[-1] << 1 ^ (0x11d if EXP[-1] & 0x80 else 0))
LOG = {v: i for i, v in enumerate(EXP)}


def gf_multiply(a, b):
    return EXP[(LOG[a] + LOG[b]) % 255] if a and b else 0


def gf_inverse(a):
    return EXP[-LOG[a] % 255]


def parity(units, k, m):
    """Parity i = the sum of unit j times 1 / ((k + i) xor j)."""
    out = []
    for i in range(m):
        total = 0
        for j, unit in enumerate(units):
            factor = gf_inverse((k + i) ^ j)
            product = unit.translate(bytes(gf_multiply(factor, v) for v in range(256)))
            total ^= int.from_bytes(product, "big")
        out.append(total.to_bytes(len(units[0]), "big"))
    return out


def encode(class_number, segment):
    k, m = CLASSES[class_number]
    fragments = [b""] * (k + m)
    for at in range(0, len(segment), k * UNIT):
        row = segment[at:at + k * UNIT]
        unit = -(-len(row) // (64 * k)) * 64
        row += bytes(k * unit - len(row))
        units = [row[i * unit:(i + 1) * unit] for i in range(k)]
        for i, piece in enumerate(units + parity(units, k, m)):
            fragments[i] += piece
    return fragments


def segment_id(class_number, length, roots):
    return sha256(b"cairn segment v1" + u8(class_number) + u32(length) + b"".join(roots))


def receipt_digest(chain, key, segment, index, root, length, deadline):
    territory, gateway, number = key
    return keccak256(b"cairn receipt v1" + u64(chain) + u64(territory) + u32(gateway) +
                     u64(number) + segment + u8(index) + root + u32(length) + u64(deadline))


def draw_point(seed, key, draw, total):
    territory, gateway, number = key
    digest = sha256(b"cairn draw v1" + seed + u64(territory) + u32(gateway) + u64(number) +
                    u16(draw))
    return int.from_bytes(digest[:16], "big") * total >> 128


# Keys and extents: docs/formats/keys.md, extent.md.

def hkdf_expand(hash_name, prk, info, length):
    out = last = b""
    counter = 1
    while len(out) < length:
        last = hmac.new(prk, last + info + u8(counter), hash_name).digest()
        out += last
        counter += 1
    return out[:length]


def hkdf_sha256(key, info, length):
    return hkdf_expand("sha256", hmac.new(bytes(32), key, "sha256").digest(), info, length)


# RFC 5869, test case 3: neither salt nor info.
assert hkdf_sha256(b"\x0b" * 22, b"", 42).hex() == \
    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"


def territory_key(master, territory):
    return hkdf_sha256(master, b"cairn territory key v1" + u64(territory), 32)


def label_secret(key, bucket, version):
    wide = hkdf_sha256(key, b"cairn bucket label v1" + bucket + u32(version), 48)
    return (int.from_bytes(wide, "big") % (N - 1) + 1).to_bytes(32, "big")


def extent_stream(file_key, bucket, extent, salt, plain):
    aead = b"AEAD_AES_256_GCM"
    info = b"c2sp.org/chunked-encryption@v1+" + aead + b"\x00" + salt + bucket + extent
    derived = hkdf_expand("sha512", file_key, info, 32 + 12 + 32)
    key, base, commitment = derived[:32], derived[32:44], derived[44:]
    out = salt + commitment
    for chunk in range(len(plain) // 16384 + 1):
        nonce = (int.from_bytes(base, "big") ^ chunk).to_bytes(12, "big")
        out += gcm_seal(key, nonce, plain[chunk * 16384:(chunk + 1) * 16384])
    return out


# Records: docs/formats/capability.md, commit.md, manifest.md.

def capability(secret, fields):
    record = (u16(0x0101) + u16(1) + u64(fields["chain"]) + address_of(secret) +
              u32(fields["holder"]) + u8(fields["ops"]) + u64(fields["territory"]) +
              u32(fields["gateway"]) + u64(fields["number"]) + u8(fields["fragment"]) +
              u64(fields["valid_until"]) + bytes.fromhex(fields["nonce"]))
    return record + sign(secret, keccak256(b"cairn capability v1" + record))


def segment_entry(number, epoch, class_number, length, roots, receipts):
    out = u64(number) + u64(epoch) + u8(class_number) + u32(length) + b"".join(roots)
    out += u8(len(receipts))
    for index, provider, draw, deadline, signature in receipts:
        out += u8(index) + u32(provider) + u16(draw) + u64(deadline) + signature
    return out


def str16(data):
    return u16(len(data)) + data


def manifest(size, mtime_ms, etag, checksum, headers, parts, extents):
    kind, composite, value = checksum
    out = u16(0x0102) + u16(1) + u8(0) + u64(size) + u64(mtime_ms) + str16(etag)
    out += u8(kind) + u8(composite) + value
    out += u16(len(headers)) + b"".join(str16(name) + str16(text) for name, text in headers)
    out += u16(len(parts))
    for number, part_size, md5, part_checksum in parts:
        out += u16(number) + u64(part_size) + md5 + part_checksum
    out += u16(len(extents))
    for extent, key, plain, offset, length, pieces in extents:
        out += extent + key + u64(plain) + u64(offset) + u64(length) + u32(len(pieces))
        out += b"".join(u32(g) + u64(n) + u32(o) + u32(le) for g, n, o, le in pieces)
    return out


# The vectors.

def segment_vectors():
    cases = [(1, 1), (1, 65), (1, 4 * 64 + 1), (1, 100000), (1, 4 * UNIT), (1, 4 * UNIT + 1),
             (2, 10 * UNIT - 1), (3, 8 * UNIT + 70000), (4, 1), (4, 2 * UNIT * 3 + 12345)]
    out = []
    for class_number, length in cases:
        fragments = encode(class_number, sample("segment %d %d" % (class_number, length), length))
        roots = [fragment_root(f) for f in fragments]
        out.append({"class": class_number, "length": length, "fragment_length": len(fragments[0]),
                    "roots": [r.hex() for r in roots],
                    "id": segment_id(class_number, length, roots).hex()})
    return out


def receipt_vectors():
    out = []
    for i, number in enumerate((0, 1, MASK64)):
        root = sample("root", 32)
        segment = sample("segment", 32)
        secret = sample("holder %d" % i, 32)
        digest = receipt_digest(4242, (7, 3, number), segment, i, root, 65536 + i, 1800000000 + i)
        out.append({"chain": 4242, "territory": 7, "gateway": 3, "number": "%x" % number,
                    "segment": segment.hex(), "index": i, "root": root.hex(), "length": 65536 + i,
                    "deadline": 1800000000 + i, "digest": digest.hex(), "secret": secret.hex(),
                    "address": address_of(secret).hex(), "signature": sign(secret, digest).hex()})
    return out


def draw_vectors():
    seed = sample("seed", 32)
    out = []
    for number, draw, total in ((0, 0, 1), (0, 0, 1000), (5, 15, 10**18), (MASK64, 39, MASK64)):
        out.append({"seed": seed.hex(), "territory": 7, "gateway": 3, "number": "%x" % number,
                    "draw": draw, "total": "%x" % total,
                    "point": "%x" % draw_point(seed, (7, 3, number), draw, total)})
    return out


def extent_vectors():
    out = []
    for length in (0, 1, 1000, 16383, 16384, 16385):
        name = "extent %d" % length
        key, bucket = sample(name + " key", 32), sample(name + " bucket", 32)
        extent, salt = sample(name + " id", 16), sample(name + " salt", 24)
        stream = extent_stream(key, bucket, extent, salt, sample(name, length))
        out.append({"name": name, "length": length, "header": stream[:56].hex(),
                    "sealed_length": len(stream), "sha256": sha256(stream).hex(),
                    "tail": stream[-16:].hex()})
    return out


def key_vectors():
    master, bucket = sample("master", 32), sample("bucket", 32)
    out = []
    for territory, version in ((0, 1), (1, 1), (1, 2), (MASK64, 0xffffffff)):
        key = territory_key(master, territory)
        secret = label_secret(key, bucket, version)
        public = compressed(multiply(int.from_bytes(secret, "big"), G))
        out.append({"territory": "%x" % territory, "version": version, "territory_key": key.hex(),
                    "label_secret": secret.hex(), "label_public": public.hex()})
    return {"master": master.hex(), "bucket": bucket.hex(), "cases": out}


def capability_vector():
    secret = sample("account", 32)
    fields = {"chain": 4242, "holder": 9, "ops": 3, "territory": 7, "gateway": 3, "number": 12345,
              "fragment": 255, "valid_until": 1800000000, "nonce": sample("nonce", 16).hex()}
    return {"secret": secret.hex(), "fields": fields, "record": capability(secret, fields).hex()}


def entry_vector():
    roots = [sample("root %d" % i, 32) for i in range(6)]
    receipts = [(i, 100 + i, 2 * i, 1800000000 + i, sample("signature %d" % i, 65))
                for i in (0, 2, 3, 5)]
    return {"record": segment_entry(77, 5, 4, 123456, roots, receipts).hex()}


def manifest_vector():
    sealed = 56 + 20000 + 2 * 16
    extents = [(sample("id 0", 16), sample("key 0", 32), 20000, 0, 20000,
                [(3, 70, 100, 15000), (3, 71, 0, sealed - 15000)]),
               (sample("id 1", 16), sample("key 1", 32), 100, 50, 5, [(4, 9, 5, 172)])]
    headers = [(b"content-type", b"text/plain"), (b"x-amz-meta-a", b"")]
    parts = [(1, 20000, sample("md5 0", 16), sample("sum 0", 4)),
             (9, 5, sample("md5 1", 16), sample("sum 1", 4))]
    record = manifest(20005, 1700000000123, b"d41d8cd98f00b204e9800998ecf8427e-2",
                      (2, 1, sample("sum", 4)), headers, parts, extents)
    return {"record": record.hex()}


def main():
    vectors = {"about": "made by tests/models/storage_model.py; do not edit",
               "segments": segment_vectors(), "receipts": receipt_vectors(),
               "draws": draw_vectors(), "extents": extent_vectors(), "keys": key_vectors(),
               "capability": capability_vector(), "segment_entry": entry_vector(),
               "manifest": manifest_vector()}
    print(json.dumps(vectors, indent=1))


if __name__ == "__main__":
    main()
