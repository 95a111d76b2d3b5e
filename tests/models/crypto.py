"""An independent model of what src/crypto builds itself: prints the constants its tests expect.

Standard library only. Keccak is checked against hashlib's SHA3-256, X25519 against RFC 7748,
HChaCha20 and the AEAD against the vectors of draft-irtf-cfrg-xchacha-03.

    python3 tests/models/crypto.py
"""
import hashlib
import hmac
import struct

MASK64 = (1 << 64) - 1


# Keccak

def rotate64(v, by):
    by %= 64
    return (v << by | v >> (64 - by)) & MASK64


def keccak_f(a):
    lfsr = 1
    for _ in range(24):
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[(x - 1) % 5] ^ rotate64(c[(x + 1) % 5], 1) for x in range(5)]
        a = [[a[x][y] ^ d[x] for y in range(5)] for x in range(5)]
        x, y, current = 1, 0, a[1][0]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, a[x][y] = a[x][y], rotate64(current, (t + 1) * (t + 2) // 2)
        for y in range(5):
            row = [a[x][y] for x in range(5)]
            for x in range(5):
                a[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
        for j in range(7):
            if lfsr & 1:
                a[0][0] ^= 1 << ((1 << j) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
    return a


def keccak(data, pad):
    data = bytearray(data) + bytes([pad])
    data += bytes(-len(data) % 136)
    data[-1] |= 0x80
    a = [[0] * 5 for _ in range(5)]
    for block in range(0, len(data), 136):
        for i in range(17):
            a[i % 5][i // 5] ^= struct.unpack_from("<Q", data, block + 8 * i)[0]
        a = keccak_f(a)
    return b"".join(struct.pack("<Q", a[i % 5][i // 5]) for i in range(4))


# HKDF-SHA256

def hkdf(ikm, salt, info, length):
    prk = hmac.new(salt or bytes(32), ikm, "sha256").digest()
    out = last = b""
    for i in range(1, 256):
        if len(out) >= length:
            break
        last = hmac.new(prk, last + info + bytes([i]), "sha256").digest()
        out += last
    return out[:length]


# secp256k1 and Umbral

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k, point):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def compress(point):
    return bytes([2 | (point[1] & 1)]) + point[0].to_bytes(32, "big")


def reduce(data):
    return int.from_bytes(data, "big") % (N - 1) + 1


def hash_to_scalar(dst, *parts):
    return reduce(hashlib.sha256(struct.pack(">I", len(dst)) + dst + b"".join(parts)).digest())


def umbral():
    secret = reduce(hkdf(bytes(range(32)), b"", b"bucket 7, version 1", 48))
    label = multiply(secret, G)
    r = int.from_bytes(bytes(range(1, 33)), "big")
    u = int.from_bytes(bytes(range(0x41, 0x61)), "big")
    e, v = multiply(r, G), multiply(u, G)
    h = hash_to_scalar(b"CAPSULE_POINTS", compress(e), compress(v))
    capsule = compress(e) + compress(v) + ((u + r * h) % N).to_bytes(32, "big")
    key = hkdf(compress(multiply((r + u) % N, label)), b"", b"", 32)
    print("umbral secret", secret.to_bytes(32, "big").hex())
    print("umbral label", compress(label).hex())
    print("umbral capsule", capsule.hex())
    print("umbral key", key.hex())
    for wide in (0, 1, N - 2, N - 1, N, 2 * (N - 1), 2 * (N - 1) - 1, 2**256 - 1, 2**384 - 1,
                 (2**384 - 1) // (N - 1) * (N - 1), (2**384 - 1) // (N - 1) * (N - 1) - 1,
                 (2**128 - 1) << 256, ((2**128 - 1) << 256) | (N - 2)):
        print("reduce %096x %064x" % (wide, wide % (N - 1) + 1))


# X25519, XChaCha20-Poly1305, sealed boxes

def x25519(secret, u):
    p = 2**255 - 19
    k = int.from_bytes(secret, "little") & ~7 & ~(1 << 255) | (1 << 254)
    x1 = int.from_bytes(u, "little") % (1 << 255) % p
    x2, z2, x3, z3 = 1, 0, x1, 1
    for t in reversed(range(255)):
        if k >> t & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a % p, b * b % p
        e = aa - bb
        x3, z3 = pow(da + cb, 2, p), x1 * pow(da - cb, 2, p) % p
        x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
        if k >> t & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


def chacha_rounds(s):
    s = list(s)
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            for x, y, z, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                s[x] = (s[x] + s[y]) & 0xFFFFFFFF
                s[z] ^= s[x]
                s[z] = (s[z] << by | s[z] >> (32 - by)) & 0xFFFFFFFF
    return s


SIGMA = struct.unpack("<4I", b"expand 32-byte k")


def hchacha(key, nonce16):
    s = chacha_rounds(SIGMA + struct.unpack("<8I", key) + struct.unpack("<4I", nonce16))
    return struct.pack("<8I", *s[:4], *s[12:])


def chacha_block(key, counter, nonce12):
    s = SIGMA + struct.unpack("<8I", key) + (counter,) + struct.unpack("<3I", nonce12)
    return struct.pack("<16I", *((x + y) & 0xFFFFFFFF for x, y in zip(s, chacha_rounds(s))))


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    acc = 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i:i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((acc + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def xchacha_seal(key, nonce24, aad, data):
    sub, nonce = hchacha(key, nonce24[:16]), bytes(4) + nonce24[16:]
    stream = b"".join(chacha_block(sub, 1 + i, nonce) for i in range(len(data) // 64 + 1))
    out = bytes(x ^ y for x, y in zip(data, stream))
    mac = aad + bytes(-len(aad) % 16) + out + bytes(-len(out) % 16)
    mac += struct.pack("<QQ", len(aad), len(out))
    return out + poly1305(chacha_block(sub, 0, nonce)[:32], mac)


def sealed_box():
    base = (9).to_bytes(32, "little")
    secret, ephemeral, nonce = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 88))
    recipient, public = x25519(secret, base), x25519(ephemeral, base)
    key = hkdf(x25519(ephemeral, recipient), public + recipient,
               b"cairn sealed box v1" + b"model", 32)
    box = public + nonce + xchacha_seal(key, nonce, b"", b"a file key of thirty-two bytes!!")
    print("box recipient", recipient.hex())
    print("box", box.hex())


def check():
    for length in (0, 1, 135, 136, 137, 300):
        data = bytes(i * 7 & 255 for i in range(length))
        assert keccak(data, 0x06) == hashlib.sha3_256(data).digest()
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    assert x25519(scalar, point).hex() == (
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")
    sunscreen = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for"
                 b" the future, sunscreen would be it.")
    sealed = xchacha_seal(bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58)),
                          bytes.fromhex("50515253c0c1c2c3c4c5c6c7"), sunscreen)
    assert sealed[:8].hex() == "bd6d179d3e83d43b"
    assert sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49"


def main():
    check()
    joined = b"".join(keccak(bytes(i * 7 & 255 for i in range(n)), 0x01) for n in range(0, 412))
    print("keccak of the digests of 0 to 411 bytes", keccak(joined, 0x01).hex())
    umbral()
    sealed_box()


if __name__ == "__main__":
    main()
