"""Starts and stops a ledger node of its own for a test: fresh chain, free ports of loopback.

    with LedgerNode() as node:
        node.call("eth_blockNumber")
        node.kill(); node.start()

    ledger_node.py COMMAND…   runs a command beside a node; CAIRN_RPC, CAIRN_WS, CAIRN_USER_KEY,
                              CAIRN_CHAIN_ID and CAIRN_GENESIS are in its environment

The folder is removed at the end unless KEEP_NODE is set; the process is ended by its pid.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAIRN = os.environ.get("CAIRN", os.path.join(ROOT, "build/release/bin/cairn"))
CHAIN_ID = 7207
SEAT_KEY = "11" * 32
SEAT = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
USER_KEY = "00" * 31 + "01"
USER = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
FUNDS = 10**24


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code = error.get("code")
        self.data = error.get("data")


def free_ports(count):
    """Ports of 127.0.0.1 that were free a moment ago."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class LedgerNode:
    def __init__(self, interval_ms=200, empty_interval_ms=1000, accounts=()):
        self.folder = tempfile.mkdtemp(prefix="cairn-node-")
        self.port, self.ws_port, self.metrics_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.ws_port}"
        self.process = None
        self.starts = 0
        genesis = {
            "version": 1, "chain_id": CHAIN_ID, "time": int(time.time()) - 60,
            "interval_ms": interval_ms, "empty_interval_ms": empty_interval_ms, "seats": [SEAT],
            "alloc": {address: {"balance": str(FUNDS)} for address in (USER, *accounts)},
            "modules": {"params": {"profile": "devnet"}},
        }
        with open(self.path("genesis.json"), "w", encoding="utf-8") as file:
            json.dump(genesis, file)
        with open(os.open(self.path("seat.key"), os.O_CREAT | os.O_WRONLY, 0o400), "w",
                  encoding="ascii") as file:
            file.write(SEAT_KEY + "\n")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def start(self, timeout=60):
        command = [CAIRN, "node", "--genesis", self.path("genesis.json"), "--key",
                   self.path("seat.key"), "--data", self.path("data"), "--listen",
                   f"127.0.0.1:{self.port}", "--ws-port", str(self.ws_port),
                   "--metrics", f"127.0.0.1:{self.metrics_port}"]
        with open(self.path("node.log"), "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.starts += 1
        end = time.monotonic() + timeout
        while True:
            try:
                self.call("eth_blockNumber")
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("the node did not start:\n" + self.log()) from None
                time.sleep(0.05)

    def log(self, length=4000):
        with open(self.path("node.log"), errors="replace", encoding="utf-8") as file:
            return file.read()[-length:]

    def call(self, method, *params, timeout=30):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(self.url, body.encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            answer = json.load(answer)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """A clean stop; the exit status."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        if not os.environ.get("KEEP_NODE"):
            shutil.rmtree(self.folder, ignore_errors=True)


def main():
    with LedgerNode() as node:
        environment = dict(os.environ, CAIRN_RPC=node.url, CAIRN_WS=node.ws_url,
                           CAIRN_USER_KEY="0x" + USER_KEY,
                           CAIRN_CHAIN_ID=str(CHAIN_ID), CAIRN_GENESIS=node.path("genesis.json"))
        status = subprocess.run(sys.argv[1:], env=environment, check=False).returncode
        if status != 0:
            print(node.log(), file=sys.stderr)
        stopped = node.stop()
        if stopped != 0:
            print(f"the node did not stop cleanly: {stopped}\n{node.log()}", file=sys.stderr)
            status = status or 1
    sys.exit(status)


if __name__ == "__main__":
    main()
