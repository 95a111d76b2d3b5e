"""The conformance runner itself: what it must fail, refuse, and say alike.

usage: runner.py PROGRAM FOLDER, where FOLDER holds the public state tests and basic tests that
runner.sh unpacked. Standard library only.
"""
import copy
import json
import os
import subprocess
import sys
import tarfile
import tempfile

STATE = "eest-state-tests/state_tests/istanbul/eip1344_chainid/test_chainid.json"
SET_CODE = "eest-state-tests/state_tests/prague/eip7702_set_code_tx/test_self_sponsored_set_code.json"
BLOBS = "eest-state-tests/state_tests/cancun/eip4844_blobs/test_blob_gas_subtraction_tx.json"
TX = "ethereum-basic/TransactionTests/ttEIP2930/accessListStorage32Bytes.json"
program, folder = sys.argv[1], sys.argv[2]
checks = 0


def run(*args):
    done = subprocess.run([program, *args], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout


def counts(*args):
    status, out = run(*args, "--json")
    answer = json.loads(out)
    return status, answer["passed"], answer["failed"], answer["roots"], answer["groups"]


def expect(what, is_right):
    global checks
    checks += 1
    if not is_right:
        sys.exit(f"runner: {what}")


def tampered(path, change):
    """A copy of the tests of a file after change(test, post) was applied to the first of them."""
    with open(os.path.join(folder, path)) as file:
        tests = json.load(file)
    name = next(iter(tests))
    test = copy.deepcopy(tests[name])
    change(test)
    out = tempfile.NamedTemporaryFile("w", suffix=".json", dir=folder, delete=False)
    json.dump({name: test}, out)
    out.close()
    return out.name


def first_post(test):
    return next(iter(test["post"].values()))[0]


def fails_with(what, suite, path, change, reason):
    status, passed, failed, _, groups = counts(suite, tampered(path, change))
    expect(f"{what}: {status} {passed} {failed} {groups}",
           status == 1 and failed == 1 and groups[0]["reason"] == reason)


def flip(text):
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def tampering():
    fails_with("another root", "state", STATE,
               lambda t: first_post(t).update(hash=flip(first_post(t)["hash"])),
               "another state root")
    fails_with("other logs", "state", STATE,
               lambda t: first_post(t).update(logs=flip(first_post(t)["logs"])), "other logs")
    fails_with("an exception that does not come", "state", STATE,
               lambda t: first_post(t).update(expectException="TransactionException.NONCE_IS_MAX"),
               "accepted")
    fails_with("no transaction", "state", STATE,
               lambda t: (first_post(t).pop("txbytes"), t.pop("transaction")), "malformed test")
    fails_with("an unknown fork", "state", STATE,
               lambda t: t.update(post={"Nowhere": next(iter(t["post"].values()))}),
               "unknown fork")
    fails_with("another nonce", "state", STATE,
               lambda t: next(iter(t["pre"].values())).update(balance="0xg"), "malformed test")
    fails_with("cut bytes", "state", STATE,
               lambda t: first_post(t).update(txbytes=first_post(t)["txbytes"][:-2]), "refused")

    def change_sender(test):
        for result in test["result"].values():
            if "sender" in result:
                result["sender"] = flip(result["sender"])

    status, _, failed, _, groups = counts("tx", tampered(TX, change_sender))
    expect("another sender", status == 1 and failed > 0 and groups[0]["reason"] == "another sender")
    status, out = run("state", tampered(STATE, lambda t: first_post(t).update(
        hash=flip(first_post(t)["hash"]))), "--verbose")
    expect("--verbose names the test", status == 1 and "FAIL " in out and "1 failed" in out)


def from_fields():
    """Without its bytes a transaction is made from the fields, with the same outcome."""
    for path in (STATE, SET_CODE, BLOBS):
        whole = counts("state", tampered(path, lambda t: None))
        bare = counts("state", tampered(path, lambda t: first_post(t).pop("txbytes")))
        expect(f"{path} from fields: {whole} {bare}", whole[0] == 0 and whole == bare)


def same_everywhere():
    sub = os.path.join(folder, os.path.dirname(STATE))
    archive = os.path.join(folder, "part.tar.gz")
    with tarfile.open(archive, "w:gz") as out:
        out.add(sub, arcname="part")
    wanted = counts("state", sub, "--jobs", "1")
    expect("the folder passes", wanted[0] == 0 and wanted[1] > 10)
    expect("more jobs, same roots", counts("state", sub, "--jobs", "5") == wanted)
    expect("the archive, same roots", counts("state", archive) == wanted)
    with open(archive, "rb") as file:
        content = file.read()
    broken = os.path.join(folder, "broken.tar.gz")
    with open(broken, "wb") as file:
        file.write(content[:len(content) // 2])
    expect("half an archive", run("state", broken)[0] == 2)


def refusals():
    empty = os.path.join(folder, "empty")
    os.mkdir(empty)
    text = os.path.join(folder, "text.json")
    with open(text, "w") as file:
        file.write('{"a": ')
    expect("an empty folder", run("state", empty)[0] == 2)
    expect("no such path", run("state", os.path.join(folder, "nothing"))[0] == 2)
    expect("no such suite", run("states", empty)[0] == 2)
    expect("no path", run("state")[0] == 2)
    expect("no jobs", run("state", empty, "--jobs", "0")[0] == 2)
    expect("a filter that nothing matches",
           run("state", os.path.join(folder, STATE), "--filter", "no such test")[0] == 2)
    expect("no JSON", counts("state", text)[:3] == (1, 0, 1))
    expect("help", run("--help")[0] == 0)


tampering()
from_fields()
same_everywhere()
refusals()
print(f"{checks} checks of the runner")
