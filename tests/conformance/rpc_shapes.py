"""Compares a ledger node with the conversations of execution-apis (vectors: rpc-compat).

    rpc_shapes.py FOLDER    FOLDER holds the unpacked archive

Those run on a chain that needs an EVM, so values differ here; what must agree are the members of
every object, the JSON types of their values, and the codes of refusals that do not depend on the
chain. Prints a line for each comparison.
"""
import glob
import json
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("support", "models", "chaos"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))
from ledger_kill import rlp, transfer  # noqa: E402
from ledger_node import CHAIN_ID, USER, USER_KEY, LedgerNode, RpcError  # noqa: E402
from storage_model import keccak256, sign  # noqa: E402

TERRITORY = "0x00000000000000000000000000000000ca1a0005"
NULL_OR_ADDRESS = {"to", "contractAddress"}  # the vectors have creations
SECRET = bytes.fromhex(USER_KEY)
RECEIVER = b"\xee" * 20
# Refusals that follow from the request alone.
REFUSALS = [
    "debug_getRawBlock/get-invalid-number", "debug_getRawHeader/get-invalid-number",
    "debug_getRawReceipts/get-invalid-number", "debug_getRawTransaction/get-invalid-hash",
    "eth_getLogs/filter-error-future-block-range",
    "eth_getLogs/filter-error-invalid-blockHash-and-range",
    "eth_getLogs/filter-error-reversed-block-range",
    "eth_getStorageAt/get-storage-invalid-key", "eth_getStorageAt/get-storage-invalid-key-too-large",
]
# Answers that must be equal: what is not there, and what every chain has.
EQUAL = [
    "eth_getBalance/get-balance-unknown-account", "eth_getBlockByHash/get-block-by-empty-hash",
    "eth_getBlockByHash/get-block-by-notfound-hash", "eth_getBlockByNumber/get-block-notfound",
    "eth_getBlockReceipts/get-block-receipts-0", "eth_getBlockReceipts/get-block-receipts-earliest",
    "eth_getBlockReceipts/get-block-receipts-empty",
    "eth_getBlockReceipts/get-block-receipts-not-found",
    "eth_getBlockTransactionCountByNumber/get-genesis", "eth_getCode/get-code-unknown-account",
    "eth_getStorageAt/get-storage-unknown-account",
    "eth_getTransactionByHash/get-empty-tx", "eth_getTransactionByHash/get-notfound-tx",
    "eth_getTransactionCount/get-nonce-unknown-account",
    "eth_getTransactionReceipt/get-empty-tx", "eth_getTransactionReceipt/get-notfound-tx",
    "eth_syncing/check-syncing", "eth_blobBaseFee/get-current-blobfee",
    "eth_estimateGas/estimate-simple-transfer", "debug_getRawReceipts/get-genesis",
]


def conversation(root, name):
    """The first request and its answer."""
    with open(os.path.join(root, name + ".io"), encoding="utf-8") as file:
        text = file.read()
    return [json.loads(re.search(f"^{mark} (.*)$", text, re.M).group(1)) for mark in (">>", "<<")]


def kind(value):
    if isinstance(value, str) and re.fullmatch("0x[0-9a-f]*", value):
        return "hex"
    return type(value).__name__


def compare(path, got, wanted):
    """Members and types; of arrays the first items."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        if wanted.get("v") in ("0x1b", "0x1c"):
            wanted = dict(wanted, chainId="0x1")  # signed before EIP-155; here none is accepted
        assert set(got) == set(wanted), f"{path}: members differ by {set(got) ^ set(wanted)}"
        for key in set(wanted) - NULL_OR_ADDRESS:
            compare(f"{path}.{key}", got[key], wanted[key])
    elif isinstance(wanted, list) and isinstance(got, list):
        if got and wanted:
            compare(f"{path}[0]", got[0], wanted[0])
    else:
        numbers = ("int", "float")
        same = kind(got) == kind(wanted) or (kind(got) in numbers and kind(wanted) in numbers)
        assert same, f"{path}: {kind(got)} instead of {kind(wanted)}"


def legacy(nonce):
    fields = [nonce, 10**10, 21000, RECEIVER, 1, b""]
    signature = sign(SECRET, keccak256(rlp(fields + [CHAIN_ID, 0, 0])))
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
    return rlp(fields + [signature[64] + 35 + 2 * CHAIN_ID, r, s])


def access_list(nonce):
    entry = [bytes.fromhex(TERRITORY[2:]), [bytes(32)]]
    fields = [CHAIN_ID, nonce, 10**10, 30000, RECEIVER, 1, b"", [entry]]
    signature = sign(SECRET, keccak256(b"\x01" + rlp(fields)))
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
    return b"\x01" + rlp(fields + [signature[64], r, s])


def lease(nonce):
    """territory.lease(1 GiB, class 1, one day, ""), which logs."""
    words = [2**30, 1, 86400, 128, 0]
    data = keccak256(b"lease(uint64,uint8,uint64,bytes)")[:4]
    data += b"".join(word.to_bytes(32, "big") for word in words)
    fields = [CHAIN_ID, nonce, 10**6, 10**10, 1000000, bytes.fromhex(TERRITORY[2:]), 10**18, data, []]
    signature = sign(SECRET, keccak256(b"\x02" + rlp(fields)))
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
    return b"\x02" + rlp(fields + [signature[64], r, s])


def include(node, raw):
    tx = node.call("eth_sendRawTransaction", "0x" + raw.hex())
    end = time.monotonic() + 30
    while time.monotonic() < end:
        receipt = node.call("eth_getTransactionReceipt", tx)
        if receipt is not None:
            assert receipt["status"] == "0x1", "a transaction of the test failed"
            return tx, receipt
        time.sleep(0.1)
    raise RuntimeError("a transaction does not get in")


def shapes(node):
    """(conversation, our answer) with as much in it as there can be."""
    old, first = include(node, legacy(0))
    listed, _ = include(node, access_list(1))
    plain, _ = include(node, transfer(SECRET, 2, RECEIVER, 1))
    logging, receipt = include(node, lease(3))
    number = receipt["blockNumber"]
    yield "eth_getBlockByNumber/get-latest", node.call(
        "eth_getBlockByNumber", first["blockNumber"], True)
    yield "eth_getBlockByNumber/get-block-prague-fork", node.call("eth_getBlockByNumber", number, False)
    yield "eth_getTransactionByHash/get-legacy-tx", node.call("eth_getTransactionByHash", old)
    yield "eth_getTransactionByHash/get-access-list", node.call("eth_getTransactionByHash", listed)
    yield "eth_getTransactionByHash/get-dynamic-fee", node.call("eth_getTransactionByHash", plain)
    yield "eth_getTransactionReceipt/get-dynamic-fee", node.call("eth_getTransactionReceipt", logging)
    yield "eth_getBlockReceipts/get-block-receipts-latest", node.call("eth_getBlockReceipts", number)
    logs = {"fromBlock": "0x0", "address": TERRITORY}
    yield "eth_getLogs/contract-addr", node.call("eth_getLogs", logs)
    yield "eth_feeHistory/fee-history", node.call("eth_feeHistory", "0x1", number, [95, 99])
    yield ("eth_getProof/get-account-proof-with-storage",
           node.call("eth_getProof", TERRITORY, ["0x00"], "latest"))
    yield "txpool_status/get-status", node.call("txpool_status")
    node.call("eth_sendRawTransaction", "0x" + legacy(5).hex())
    content = node.call("txpool_contentFrom", USER)
    waiting = content["queued"]["5"]
    placed = {key: "0x0" if value is None else value for key, value in waiting.items()}
    yield "eth_getTransactionByHash/get-legacy-tx", placed


def main():
    roots = glob.glob(os.path.join(sys.argv[1], "**", "eth_getProof"), recursive=True)
    root = os.path.dirname(roots[0])
    done = 0
    with LedgerNode() as node:
        for name, answer in shapes(node):
            compare(name, answer, conversation(root, name)[1]["result"])
            print("ok", name)
            done += 1
        for name in EQUAL:
            request, wanted = conversation(root, name)
            got = node.call(request["method"], *request.get("params", []))
            assert got == wanted["result"], f"{name}: {got} instead of {wanted['result']}"
            print("ok", name)
            done += 1
        for name in REFUSALS:
            request, wanted = conversation(root, name)
            try:
                got = node.call(request["method"], *request.get("params", []))
                raise AssertionError(f"{name} was answered: {got}")
            except RpcError as error:
                code = wanted["error"]["code"]
                assert error.code == code, f"{name}: code {error.code} instead of {code}"
            print("ok", name)
            done += 1
    print(f"{done} of {done} comparisons passed")


if __name__ == "__main__":
    main()
