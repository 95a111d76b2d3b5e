#!/usr/bin/env python3
"""Writes src/crypto/bls12_381_constants.c: every constant of BLS12-381 in the form the C code uses.

Run from the checkout: python3 tests/models/bls12_381_constants.py [--check | --write]. What is
computed here (Montgomery forms, Frobenius coefficients, endomorphisms) is computed from the curve's
definition; what is given comes from the sources that are named beside it. Standard library only.
"""
import sys

OUT = "src/crypto/bls12_381_constants.c"
MAPS = "tests/models/rfc9380_bls12_381.txt"

# RFC 9380, 8.8.1; draft-irtf-cfrg-pairing-friendly-curves-11, 4.2.1 (x, r, generators).
P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
X = -0xD201000000010000
R_ORDER = X**4 - X**2 + 1
G1 = (
    0x17F1D3A73197D7942695638C4FA9AC0FC3688C4F9774B905A14E3A3F171BAC586C55E83FF97A1AEFFB3AF00ADB22C6BB,
    0x08B3F481E3AAA0F1A09E30ED741D8AE4FCF5E095D5D00AF600DB18CB2C04B3EDD03CC744A2888AE40CAA232946C5E7E1,
)
G2 = (
    (
        0x024AA2B2F08F0A91260805272DC51051C6E47AD4FA403B02B4510B647AE3D1770BAC0326A805BBEFD48056C8C121BDB8,
        0x13E02B6052719F607DACD3A088274F65596BD0D09920B61AB5DA61BBDC7F5049334CF11213945D57E5AC7D055D042B7E,
    ),
    (
        0x0CE5D527727D6E118CC9CDC6DA2E351AADFD9BAA8CBDD3A76D429A695160D12C923AC9CC3BACA289E193548608B82801,
        0x0606C4A02EA734CC32ACD2B02BC28B99CB3E287E85A763AF267492AB572E99AB3F370D275CEC1DA1AAA9075FF05F79BE,
    ),
)
# [tau]G2 of Ethereum's KZG ceremony: ethereum/consensus-specs,
# presets/mainnet/trusted_setups/trusted_setup_4096.json, g2_monomial[1].
TAU_G2 = (
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d"
    "2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e2"
    "3926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)
# RFC 9380, 8.8.1 and 8.8.2.
SSWU_G1_A = 0x144698A3B8E9433D693A02C96D4982B0EA985383EE66A8D8E8981AEFD881AC98936F8DA0E0F97F5CF428082D584C1D
SSWU_G1_B = 0x12E2908D11688030018B12E8753EEE3B2016C1F0F24F4070A0B9C14FCEF35EF55A23215A316CEAA5D1CC48E98E172BE0
SSWU_G1_Z = 11
SSWU_G2_A = (0, 240)
SSWU_G2_B = (1012, 1012)
SSWU_G2_Z = (P - 2, P - 1)

MONT = 1 << 384
XI = (1, 1)


def inv(a):
    return pow(a, P - 2, P)


def mul2(a, b):
    return ((a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P)


def add2(a, b):
    return ((a[0] + b[0]) % P, (a[1] + b[1]) % P)


def neg2(a):
    return (-a[0] % P, -a[1] % P)


def inv2(a):
    n = inv(a[0] * a[0] + a[1] * a[1])
    return (a[0] * n % P, -a[1] * n % P)


def pow2(a, e):
    r = (1, 0)
    while e:
        if e & 1:
            r = mul2(r, a)
        a = mul2(a, a)
        e >>= 1
    return r


def sqrt2(a):
    """Any square root in Fp2 (complex method); asserts that there is one."""
    n = pow(a[0] * a[0] + a[1] * a[1], (P + 1) // 4, P)
    for root in (n, P - n):
        half = (a[0] + root) * inv(2) % P
        x0 = pow(half, (P + 1) // 4, P)
        if x0 * x0 % P == half and x0:
            r = (x0, a[1] * inv(2 * x0) % P)
            if mul2(r, r) == (a[0] % P, a[1] % P):
                return r
    raise AssertionError("no root")


def add1(p, q):
    """Points of G1 (affine, None for infinity)."""
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        s = 3 * p[0] * p[0] * inv(2 * p[1])
    else:
        s = (q[1] - p[1]) * inv(q[0] - p[0])
    x = (s * s - p[0] - q[0]) % P
    return (x, (s * (p[0] - x) - p[1]) % P)


def times1(k, p):
    r = None
    while k:
        if k & 1:
            r = add1(r, p)
        p = add1(p, p)
        k >>= 1
    return r


def beta():
    """The cube root of unity for which (x, y) -> (beta x, y) multiplies G1 by -X^2."""
    target = times1(-X * X % R_ORDER, G1)
    for base in range(2, 10):
        root = pow(base, (P - 1) // 3, P)
        for candidate in (root, root * root % P):
            if (candidate * G1[0] % P, G1[1]) == target:
                return candidate
    raise AssertionError("no beta")


def decompress2(text):
    """A compressed G2 point (c1 before c0), as ZCash and Ethereum write them."""
    raw = bytes.fromhex(text)
    assert raw[0] & 0xC0 == 0x80
    x = (int.from_bytes(raw[48:], "big"), int.from_bytes(raw[:48], "big") & ((1 << 381) - 1))
    y = sqrt2(add2(mul2(mul2(x, x), x), (4, 4)))
    larger = y[1] > P - y[1] if y[1] else y[0] > P - y[0]
    return (x, y if larger == bool(raw[0] & 0x20) else neg2(y))


def isogeny(curve, row):
    """The coefficients of one row of the isogeny map, lowest power first, without the leading 1."""
    found = {}
    for line in open(MAPS):
        words = line.split()
        if words[:2] == [curve, row]:
            found[int(words[2])] = [int(w, 16) for w in words[3:]]
    return [found[i] for i in range(len(found))]


def limbs(value, indent):
    words = ["0x%016xu" % (value >> (64 * i) & (2**64 - 1)) for i in range(6)]
    pad = " " * indent
    return "{{%s,\n%s  %s}}" % (", ".join(words[:3]), pad, ", ".join(words[3:]))


def fp(value, indent=4):
    return limbs(value % P * MONT % P, indent)


def fp2(value, indent=4):
    return "{%s,\n%s %s}" % (fp(value[0], indent + 1), " " * indent, fp(value[1], indent + 1))


def define(kind, name, body):
    return "const %s %s =\n    %s;\n" % (kind, name, body)


def table(kind, name, rows):
    return "const %s %s[%d] = {\n%s};\n" % (
        kind,
        name,
        len(rows),
        "".join("    %s,\n" % row for row in rows),
    )


def affine(kind, name, form, point):
    return "const struct %s %s = {\n    .x = %s,\n    .y = %s,\n};\n" % (
        kind,
        name,
        form(point[0]),
        form(point[1]),
    )


def generate():
    tau = decompress2(TAU_G2)
    out = [
        "/* Generated by tests/models/bls12_381_constants.py, which names the sources; do not edit.\n"
        " * Field elements are in Montgomery form, least significant limb first. */\n"
        '#include "crypto/bls12_381_constants.h"\n\n/* clang-format off */\n',
        define("struct fp", "fp_one", fp(1)),
        define("struct fp", "fp_r2", fp(MONT)),
        define("struct fp", "fp_half", fp(inv(2))),
        define("struct fp2", "fp2_one", fp2((1, 0))),
        define("struct fp", "bls_g1_b", fp(4)),
        define("struct fp2", "bls_g2_b", fp2((4, 4))),
        affine("g1_affine", "bls_g1_generator", fp, G1),
        affine("g2_affine", "bls_g2_generator", fp2, G2),
        affine("g2_affine", "bls_g2_generator_negative", fp2, (G2[0], neg2(G2[1]))),
        affine("g2_affine", "kzg_tau_g2", fp2, tau),
        define("struct fp", "bls_g1_beta", fp(beta())),
        define("struct fp2", "bls_psi_x", fp2(inv2(pow2(XI, (P - 1) // 3)))),
        define("struct fp2", "bls_psi_y", fp2(inv2(pow2(XI, (P - 1) // 2)))),
        table("struct fp2", "bls_frobenius", [fp2(pow2(XI, k * (P - 1) // 6)) for k in range(6)]),
        define("struct fp", "sswu_g1_a", fp(SSWU_G1_A)),
        define("struct fp", "sswu_g1_b", fp(SSWU_G1_B)),
        define("struct fp", "sswu_g1_z", fp(SSWU_G1_Z)),
        define("struct fp2", "sswu_g2_a", fp2(SSWU_G2_A)),
        define("struct fp2", "sswu_g2_b", fp2(SSWU_G2_B)),
        define("struct fp2", "sswu_g2_z", fp2(SSWU_G2_Z)),
    ]
    for row, name in enumerate(("x_num", "x_den", "y_num", "y_den"), 1):
        values = [fp(v[0]) for v in isogeny("g1", str(row))]
        out.append(table("struct fp", "iso_g1_" + name, values))
    for row, name in enumerate(("x_num", "x_den", "y_num", "y_den"), 1):
        values = [fp2(v) for v in isogeny("g2", str(row))]
        out.append(table("struct fp2", "iso_g2_" + name, values))
    return "\n".join(out)


def main():
    text = generate()
    if "--write" in sys.argv:
        open(OUT, "w").write(text)
    elif "--check" in sys.argv:
        if open(OUT).read() != text:
            sys.exit(OUT + " is stale; run python3 tests/models/bls12_381_constants.py --write")
    else:
        sys.stdout.write(text)


main()
