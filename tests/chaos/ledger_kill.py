"""kill -9 of a ledger node at random moments, under load of transactions.

    ledger_kill.py KILLS

What anybody has seen must stay: every block by height and hash, every receipt by block. At the end
every transaction has been included exactly once, in the order of its sender's nonces, the receivers
have what was sent, and the chain of headers is whole. The node gets no help but being started again.
"""
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
sys.path.insert(0, os.path.join(HERE, "../models"))
from ledger_node import CHAIN_ID, LedgerNode, RpcError  # noqa: E402
from storage_model import address_of, keccak256, sign  # noqa: E402

SENDERS = 5
TXS_PER_KILL = 4
TIP = 10**6
MAX_FEE = 10**10


def rlp(item):
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    short, long = 0x80, 0xb7
    if isinstance(item, list):
        item, short, long = b"".join(rlp(part) for part in item), 0xc0, 0xf7
    elif len(item) == 1 and item[0] < 0x80:
        return item
    if len(item) < 56:
        return bytes([short + len(item)]) + item
    length = len(item).to_bytes((len(item).bit_length() + 7) // 8, "big")
    return bytes([long + len(length)]) + length + item


def transfer(secret, nonce, to, value):
    fields = [CHAIN_ID, nonce, TIP, MAX_FEE, 21000, to, value, b"", []]
    signature = sign(secret, keccak256(b"\x02" + rlp(fields)))
    r, s, v = (int.from_bytes(part, "big")
               for part in (signature[:32], signature[32:64], signature[64:]))
    return b"\x02" + rlp(fields + [v, r, s])


class Sender:
    """Transactions of one account, in order; sends those that no receipt is known of."""

    def __init__(self, number, count):
        secret = bytes([number + 1] * 32)
        self.address = "0x" + address_of(secret).hex()
        self.to = bytes([0xee, number] + [0] * 18)
        raws = [transfer(secret, nonce, self.to, nonce + 1) for nonce in range(count)]
        self.txs = [("0x" + raw.hex(), "0x" + keccak256(raw).hex()) for raw in raws]
        self.included = {}  # hash → (block hash, index)

    def push(self, node, window):
        """Looks for receipts and sends again what has none, a few at a time."""
        waiting = [tx for tx in self.txs if tx[1] not in self.included][:window]
        for raw, tx in waiting:
            receipt = node.call("eth_getTransactionReceipt", tx)
            if receipt is not None:
                assert receipt["status"] == "0x1"
                self.included[tx] = (receipt["blockHash"], receipt["transactionIndex"])
                continue
            try:
                node.call("eth_sendRawTransaction", raw)
            except RpcError as error:
                # it got into a block, or was there already, between the two calls
                assert str(error) in ("already known", "nonce too low"), str(error)

    def done(self):
        return len(self.included) == len(self.txs)


class Load(threading.Thread):
    """Sends and watches while the node comes and goes."""

    def __init__(self, node, senders):
        super().__init__(daemon=True)
        self.node, self.senders = node, senders
        self.window = 1
        self.blocks = {}  # height → hash
        self.ended = threading.Event()
        self.fault = None

    def observe(self):
        block = self.node.call("eth_getBlockByNumber", "latest", False)
        self.note(int(block["number"], 16), block["hash"])
        head = self.node.call("cairn_head", "0x0", "0x0")
        if head is not None:
            header = bytes.fromhex(head["header"][2:])
            self.note(int(head["height"], 16), "0x" + keccak256(header).hex())

    def note(self, height, block_hash):
        assert self.blocks.setdefault(height, block_hash) == block_hash, f"block {height} changed"

    def step(self):
        for sender in self.senders:
            sender.push(self.node, self.window)
        self.observe()

    def run(self):
        while not self.ended.is_set():
            try:
                self.step()
            except OSError:
                time.sleep(0.02)  # the node is away
            except Exception as fault:  # pylint: disable=broad-except
                self.fault = fault
                return
            time.sleep(0.01)

    def check(self):
        if self.fault is not None:
            raise self.fault


def check_chain(node, load):
    """Everything that was seen is still there, and the headers hold each other."""
    head = int(node.call("eth_blockNumber"), 16)
    parent = None
    txs = {}
    for height in range(head + 1):
        block = node.call("eth_getBlockByNumber", hex(height), False)
        assert parent is None or block["parentHash"] == parent, f"block {height} hangs in the air"
        assert load.blocks.get(height, block["hash"]) == block["hash"], f"block {height} changed"
        for index, tx in enumerate(block["transactions"]):
            assert tx not in txs, f"{tx} was included twice"
            txs[tx] = (block["hash"], hex(index), height)
        parent = block["hash"]
    assert max(load.blocks) <= head
    return txs


def check_sender(node, sender, txs):
    places = []
    for _, tx in sender.txs:
        block_hash, index, height = txs[tx]
        assert sender.included[tx] == (block_hash, index), f"{tx} moved"
        places.append((height, int(index, 16)))
    assert places == sorted(places)
    assert int(node.call("eth_getTransactionCount", sender.address), 16) == len(sender.txs)
    received = int(node.call("eth_getBalance", "0x" + sender.to.hex()), 16)
    assert received == sum(range(1, len(sender.txs) + 1)), "money was lost or made"


def wait_until_included(load, timeout):
    end = time.monotonic() + timeout
    load.window = 16
    while not all(sender.done() for sender in load.senders):
        load.check()
        assert time.monotonic() < end, "transactions do not get in any more"
        time.sleep(0.1)


def wait_for_moment(rng):
    """Right after the start, at any time, or while a block is made: that is when a second begins."""
    kind = rng.randrange(4)
    if kind == 0:
        time.sleep(rng.uniform(0, 0.1))
    elif kind == 1:
        time.sleep(rng.uniform(0.2, 2.5))
    else:
        time.sleep(0.5)
        time.sleep(1 - time.time() % 1 + rng.uniform(0, 0.03))


def main():
    kills = int(sys.argv[1])
    seed = int(os.environ.get("CAIRN_SEED", random.randrange(10**9)))
    print(f"{kills} kills, seed {seed}", flush=True)
    rng = random.Random(seed)
    senders = [Sender(number, TXS_PER_KILL * kills) for number in range(SENDERS)]
    with LedgerNode(accounts=[sender.address for sender in senders]) as node:
        load = Load(node, senders)
        load.start()
        for kill in range(kills):
            load.window = 2 * (kill + 1)
            wait_for_moment(rng)
            load.check()
            node.kill()
            node.start()
        wait_until_included(load, 120)
        load.ended.set()
        load.join()
        load.check()
        txs = check_chain(node, load)
        for sender in senders:
            check_sender(node, sender, txs)
        replays = node.log(10**9).count("was decided before")
        print(f"{len(txs)} transactions in {max(load.blocks)} blocks, all there; {replays} blocks "
              f"were executed from the log")
        assert node.stop() == 0, "no clean stop"


if __name__ == "__main__":
    main()
