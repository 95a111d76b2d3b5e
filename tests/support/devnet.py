"""Starts and stops a devnet for a test, on ports and in a folder of its own.

    with Devnet(nodes=12, respawn=True) as net:
        net.info["stores"][0]["pid"]; net.s3()

The folder is removed at the end unless KEEP_DEVNET is set; every process is ended by its pid.
"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from s3 import S3  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAIRN = os.environ.get("CAIRN", os.path.join(ROOT, "build/release/bin/cairn"))


def free_base():
    """A port base with everything a devnet needs free on 127.0.0.1."""
    for _ in range(200):
        base = random.randrange(10000, 28000, 200)
        try:
            for offset in (0, 1, 2, 3, 4, 10, 11, 30, 31):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", base + offset))
            return base
        except OSError:
            continue
    raise RuntimeError("no free ports")


class Devnet:
    def __init__(self, nodes=12, respawn=False, extra=(), data=None, start_timeout=180):
        self.nodes, self.respawn, self.extra = nodes, respawn, list(extra)
        self.data = data or tempfile.mkdtemp(prefix="cairn-test-")
        self.own_data = data is None
        self.base = free_base()
        self.start_timeout = start_timeout
        self.process = None
        self.info = None
        self.extra_processes = []

    def path(self, *parts):
        return os.path.join(self.data, *parts)

    def start(self):
        command = [CAIRN, "devnet", "--data", self.data, "--nodes", str(self.nodes), "--ports",
                   str(self.base)] + (["--respawn"] if self.respawn else []) + self.extra
        self.log = open(self.path("devnet.out"), "ab")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        end = time.monotonic() + self.start_timeout
        while not os.path.exists(self.path("devnet.json")):
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                with open(self.path("devnet.out"), errors="replace") as out:
                    raise RuntimeError("the devnet did not start:\n" + out.read()[-4000:])
            time.sleep(0.1)
        self.reload()
        return self

    def reload(self):
        with open(self.path("devnet.json"), encoding="utf-8") as file:
            self.info = json.load(file)
        return self.info

    def s3(self, **options):
        return S3(self.info, **options)

    def cairn(self, *args, timeout=60, check=True):
        """Runs a client verb against this devnet; parsed JSON of its answer."""
        done = subprocess.run([CAIRN, *args, "--devnet", self.data, "--json"], timeout=timeout,
                              capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"cairn {args}: {done.returncode}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def metrics(self, url):
        """The values of a role's /metrics, by name."""
        with urllib.request.urlopen(url + "/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.split()[0]: float(line.split()[1]) for line in lines
                if line and not line.startswith("#")}

    def wait_complete(self, seconds):
        """Until every commit is final and every segment has all of its holders."""
        end = time.monotonic() + seconds
        quiet = 0
        while True:
            try:
                m = self.metrics(self.info["gateways"][0]["metrics"])
                left = m["cairn_gateway_unfinal_commits"] + m["cairn_watch_incomplete_segments"]
            except OSError as fault:
                left = str(fault)
            quiet = quiet + 1 if left == 0 else 0
            if quiet == 4:  # more than one scan of the watcher
                return m
            if time.monotonic() > end:
                raise AssertionError(f"not complete after {seconds} s: {left}")
            time.sleep(1)

    def restart(self, role):
        """Starts a role that the test has killed; ended by pid with the devnet."""
        kind = {"store": ["store", "run"], "gatew": ["gateway", "run"], "ledge": ["node"]}
        config = os.path.join(os.path.dirname(role["log"]), "config.json")
        with open(role["log"], "ab") as log:
            process = subprocess.Popen([CAIRN, *kind[role["name"][:5]], "--config", config],
                                       stdout=log, stderr=subprocess.STDOUT)
        self.extra_processes.append(process)
        role["pid"] = process.pid

    def stop(self):
        for process in self.extra_processes:
            if process.poll() is None:
                process.terminate()
        for process in self.extra_processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        self.extra_processes = []
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        if self.own_data and not os.environ.get("KEEP_DEVNET"):
            shutil.rmtree(self.data, ignore_errors=True)


def kill(pid):
    """kill -9, waiting until the process is gone."""
    assert pid > 1, pid  # 0 would be everybody
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    for _ in range(1500):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
            # A dead main thread is no dead process: its workers still hold the sockets.
            if state == "Z" and len(os.listdir(f"/proc/{pid}/task")) == 1:
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.02)
