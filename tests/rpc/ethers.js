// Drives a ledger node with ethers, as wallets and scripts do, and checks what it says by itself:
// block hashes from headers, values from Merkle proofs. Environment: see tests/support/ledger_node.py;
// NODE_PATH names the folder with ethers, CAIRN_ABI that with the modules' ABI files.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const {
  Contract, JsonRpcProvider, Wallet, decodeRlp, encodeRlp, hexlify, keccak256,
  parseEther, toBeHex, zeroPadValue,
} = require("ethers");

const url = process.env.CAIRN_RPC;
const chainId = BigInt(process.env.CAIRN_CHAIN_ID);
const abiFolder = process.env.CAIRN_ABI;
const TERRITORY = "0x00000000000000000000000000000000ca1a0005";
const EMPTY_ROOT = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";

// --- what the node says, checked ---

// The value behind a hashed key, proven under a root; null: proven absent. Throws on a wrong proof.
function proven(root, hashedKey, nodes) {
  const nibbles = [...hexlify(hashedKey).slice(2)].map((digit) => parseInt(digit, 16));
  let expected = root;
  let at = 0;
  if (root === EMPTY_ROOT && nodes.length === 0) {
    return null;
  }
  for (let i = 0; i < nodes.length; i++) {
    const encoded = nodes[i];
    assert.equal(keccak256(encoded), expected, `node ${i} is not the one its parent names`);
    let node = decodeRlp(encoded);
    for (;;) {
      let next;
      if (node.length === 17) {
        if (at === nibbles.length) {
          return endsHere(node[16], i, nodes);
        }
        next = node[nibbles[at++]];
      } else {
        const flags = [...node[0].slice(2)].map((digit) => parseInt(digit, 16));
        const part = flags.slice(flags[0] % 2 === 1 ? 1 : 2);
        if (part.some((nibble, j) => nibbles[at + j] !== nibble)) {
          return endsHere("0x", i, nodes);
        }
        at += part.length;
        if (flags[0] >= 2) {
          assert.equal(at, nibbles.length, "a leaf above the end of the key");
          return endsHere(node[1], i, nodes);
        }
        next = node[1];
      }
      if (typeof next !== "string") {
        node = next; // a node of less than 32 bytes lies in its parent
        continue;
      }
      if (next === "0x") {
        return endsHere("0x", i, nodes);
      }
      expected = next;
      break;
    }
  }
  throw new Error("the proof ends before the key does");
}

function endsHere(value, i, nodes) {
  assert.equal(i, nodes.length - 1, "nodes behind the end of the proof");
  return value === "0x" ? null : value;
}

function provenAccount(stateRoot, proof) {
  const value = proven(stateRoot, keccak256(proof.address), proof.accountProof);
  if (value === null) {
    assert.equal(BigInt(proof.balance), 0n);
    assert.equal(BigInt(proof.nonce), 0n);
    return { storageRoot: EMPTY_ROOT, balance: 0n };
  }
  const [nonce, balance, storageRoot, codeHash] = decodeRlp(value);
  const number = (bytes) => (bytes === "0x" ? 0n : BigInt(bytes));
  assert.equal(number(nonce), BigInt(proof.nonce));
  assert.equal(number(balance), BigInt(proof.balance));
  assert.equal(storageRoot, proof.storageHash);
  assert.equal(codeHash, proof.codeHash);
  return { storageRoot, balance: number(balance) };
}

function provenSlot(storageRoot, item) {
  const slot = zeroPadValue(toBeHex(BigInt(item.key)), 32);
  const value = proven(storageRoot, keccak256(slot), item.proof);
  const number = value === null ? 0n : BigInt(decodeRlp(value));
  assert.equal(number, BigInt(item.value));
  return number;
}

// Hash of the header that an answer of eth_getBlockBy* describes.
function headerHash(block) {
  const quantity = (value) => (BigInt(value) === 0n ? "0x" : toBeHex(BigInt(value)));
  return keccak256(encodeRlp([
    block.parentHash, block.sha3Uncles, block.miner, block.stateRoot, block.transactionsRoot,
    block.receiptsRoot, block.logsBloom, quantity(block.difficulty), quantity(block.number),
    quantity(block.gasLimit), quantity(block.gasUsed), quantity(block.timestamp), block.extraData,
    block.mixHash, block.nonce, quantity(block.baseFeePerGas), block.withdrawalsRoot,
    quantity(block.blobGasUsed), quantity(block.excessBlobGas), block.parentBeaconBlockRoot,
    block.requestsHash,
  ]));
}

async function refused(promise, code, text) {
  const error = await promise.then(() => assert.fail(`not refused: ${text}`), (e) => e);
  assert.equal(error.code, code, `${error.code}: ${error.message}`);
  const told = JSON.stringify([error.message, error.reason, error.info, error.error]);
  assert.ok(told.includes(text), `${told} does not say "${text}"`);
}

// A plain HTTP request; {status, headers, body}.
function post(body, headers = {}, method = "POST") {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers }, (answer) => {
      let text = "";
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

// --- the story ---

const steps = [];
const step = (name, run) => steps.push({ name, run });

step("the chain is the one expected", async ({ provider }) => {
  assert.equal((await provider.getNetwork()).chainId, chainId);
  assert.equal(await provider.send("net_version", []), String(chainId));
  assert.match(await provider.send("web3_clientVersion", []), /^cairn\//);
  assert.equal(await provider.send("eth_syncing", []), false);
});

step("transfers of types 0, 1 and 2 arrive", async ({ provider, wallet }) => {
  for (const type of [0, 1, 2]) {
    const to = Wallet.createRandom().address;
    const before = await provider.getBalance(wallet.address);
    const sent = await wallet.sendTransaction({ to, value: parseEther("1.5"), type });
    const receipt = await sent.wait();
    assert.equal(receipt.status, 1);
    assert.equal(receipt.gasUsed, 21000n);
    assert.equal(await provider.getBalance(to), parseEther("1.5"));
    const after = await provider.getBalance(wallet.address);
    assert.equal(before - after, parseEther("1.5") + receipt.gasUsed * receipt.gasPrice);
    const found = await provider.getTransaction(sent.hash);
    assert.equal(found.type, type);
    assert.equal(found.from, wallet.address);
    assert.equal(found.blockHash, receipt.blockHash);
  }
});

step("the fees make sense", async ({ provider }) => {
  const fees = await provider.getFeeData();
  const block = await provider.getBlock("latest");
  assert.ok(fees.maxFeePerGas > block.baseFeePerGas);
  assert.ok(fees.maxPriorityFeePerGas > 0n);
  const history = await provider.send("eth_feeHistory", ["0x5", "latest", [10, 50, 90]]);
  assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1);
  assert.equal(history.reward.length, history.gasUsedRatio.length);
});

step("a module is called, its receipt and logs read", async ({ provider, wallet, territory }) => {
  const price = await territory.price(10n * 2n ** 30n, 1, 86400);
  assert.ok(price > 0n);
  const filter = territory.filters.Leased(null, wallet.address);
  const heard = new Promise((resolve) => territory.once("Leased", (...args) => resolve(args)));
  await new Promise((resolve) => setTimeout(resolve, 500)); // the filter is installed
  const sent = await territory.lease(10n * 2n ** 30n, 1, 86400, "0x1234", { value: price * 2n });
  const receipt = await sent.wait();
  assert.equal(receipt.status, 1);
  const events = receipt.logs.map((log) => territory.interface.parseLog(log));
  const leased = events.find((event) => event.name === "Leased");
  assert.equal(leased.args.owner, wallet.address);
  assert.equal(leased.args.size, 10n * 2n ** 30n);
  assert.equal(leased.args.paid, price);
  const found = await territory.queryFilter(filter, 0, "latest");
  assert.equal(found.length, 1);
  assert.equal(found[0].transactionHash, sent.hash);
  assert.equal(found[0].args.territory, leased.args.territory);
  const [heardTerritory] = await heard;
  assert.equal(heardTerritory, leased.args.territory);
  const record = await territory.get(leased.args.territory);
  assert.equal(record.owner, wallet.address);
  assert.equal(record.policy, "0x1234");
  assert.equal(await provider.getBalance(TERRITORY), price);
  const byHash = await provider.getLogs({ blockHash: receipt.blockHash, address: TERRITORY });
  assert.equal(byHash.length, receipt.logs.length);
});

step("a call that reverts says why", async ({ territory }) => {
  await refused(territory.freeze.staticCall(999), "CALL_EXCEPTION", "no such territory");
  await refused(territory.freeze.estimateGas(999), "CALL_EXCEPTION", "no such territory");
});

step("a reverted transaction is in its block", async ({ provider, territory }) => {
  const sent = await territory.freeze(999, { gasLimit: 100000 });
  await refused(sent.wait(), "CALL_EXCEPTION", "reverted");
  const receipt = await provider.getTransactionReceipt(sent.hash);
  assert.equal(receipt.status, 0);
  assert.equal(receipt.logs.length, 0);
});

step("block hashes are those of their headers", async ({ provider }) => {
  const head = await provider.getBlockNumber();
  let parent = null;
  for (let height = Math.max(0, head - 12); height <= head; height++) {
    const block = await provider.send("eth_getBlockByNumber", ["0x" + height.toString(16), false]);
    assert.equal(headerHash(block), block.hash);
    assert.ok(parent === null || block.parentHash === parent);
    parent = block.hash;
  }
});

step("state is proven under the state root", async ({ provider, wallet, territory }) => {
  const head = await provider.getBlockNumber();
  for (const height of [head, head - 2]) {
    const tag = "0x" + height.toString(16);
    const block = await provider.send("eth_getBlockByNumber", [tag, false]);
    const prove = (address, keys) => provider.send("eth_getProof", [address, keys, tag]);
    const account = provenAccount(block.stateRoot, await prove(wallet.address, []));
    assert.equal(account.balance, await provider.getBalance(wallet.address, height));
    const module = await prove(TERRITORY, ["0x0", zeroPadValue("0x99", 32)]);
    const { storageRoot } = provenAccount(block.stateRoot, module);
    const count = provenSlot(storageRoot, module.storageProof[0]) >> 192n; // packed from the left
    assert.equal(count, await territory.count({ blockTag: height }));
    assert.equal(provenSlot(storageRoot, module.storageProof[1]), 0n);
    const nobody = await prove(Wallet.createRandom().address.toLowerCase(), []);
    provenAccount(block.stateRoot, nobody);

    module.accountProof[0] = module.accountProof[0].replace(/.$/, (d) => (d === "0" ? "1" : "0"));
    assert.throws(() => provenAccount(block.stateRoot, module), /not the one its parent names/);
  }
});

step("a certified head names a header", async ({ provider }) => {
  const head = await provider.send("cairn_head", ["0x0", "0x0"]);
  const block = await provider.send("eth_getBlockByNumber", [head.height, false]);
  assert.equal(keccak256(head.header), block.hash);
  assert.ok(head.consensus.includes(block.hash.slice(2)));
  const begin = Date.now();
  const next = await provider.send("cairn_head", [head.height, "0x1388"]);
  assert.ok(BigInt(next.height) > BigInt(head.height));
  assert.ok(Date.now() - begin < 5000);
  const modules = await provider.send("cairn_modules", []);
  assert.ok(modules.some((module) => module.name === "territory" && module.address === TERRITORY));
});

step("a contract is created, and one that fails says why", async ({ provider, wallet }) => {
  const sent = await wallet.sendTransaction({ data: "0x602a5f526001601ff3" });
  const receipt = await sent.wait();
  assert.equal(receipt.status, 1);
  assert.equal(await provider.getCode(receipt.contractAddress), "0x2a");
  await refused(wallet.estimateGas({ data: "0xfe" }), "CALL_EXCEPTION", "invalid opcode");
});

step("wrong transactions are refused as wallets expect", async ({ provider, wallet }) => {
  const to = wallet.address;
  await refused(wallet.sendTransaction({ to, nonce: 0, gasLimit: 21000 }), "NONCE_EXPIRED",
    "nonce too low");
  const poor = Wallet.createRandom().connect(provider);
  await refused(poor.sendTransaction({ to, value: 1, gasLimit: 21000 }), "INSUFFICIENT_FUNDS",
    "insufficient funds");
  const nonce = await wallet.getNonce("pending");
  const later = { to, nonce: nonce + 1, gasLimit: 21000, value: 1 };
  const first = await wallet.sendTransaction(later);
  await refused(wallet.sendTransaction({ ...later, value: 2 }), "REPLACEMENT_UNDERPRICED",
    "replacement transaction underpriced");
  const waiting = await provider.getTransaction(first.hash);
  assert.equal(waiting.blockNumber, null);
  const gap = await wallet.sendTransaction({ ...later, nonce });
  const receipts = await Promise.all([gap.wait(), first.wait()]);
  assert.deepEqual(receipts.map((receipt) => receipt.status), [1, 1]);
});

step("many transactions at once all get in, in order", async ({ provider, wallet }) => {
  const nonce = await wallet.getNonce("pending");
  const to = Wallet.createRandom().address;
  const sent = await Promise.all([...Array(40).keys()].map((i) =>
    wallet.sendTransaction({ to, value: 1, nonce: nonce + i, gasLimit: 21000 })));
  const receipts = await Promise.all(sent.map((tx) => tx.wait()));
  for (let i = 1; i < receipts.length; i++) {
    const [a, b] = [receipts[i - 1], receipts[i]];
    assert.ok(a.blockNumber < b.blockNumber || (a.blockNumber === b.blockNumber && a.index < b.index));
  }
  assert.equal(await provider.getBalance(to), 40n);
});

step("new blocks are announced", async ({ provider }) => {
  const numbers = await new Promise((resolve) => {
    const seen = [];
    provider.on("block", (number) => {
      seen.push(number);
      if (seen.length === 2) {
        resolve(seen);
      }
    });
  });
  assert.equal(numbers[1], numbers[0] + 1);
  await provider.removeAllListeners();
});

step("HTTP: who may ask, and what", async () => {
  const json = { "Content-Type": "application/json" };
  const ask = '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}';
  assert.equal((await post(ask, json)).status, 200);
  assert.equal((await post(ask, { "Content-Type": "application/json; charset=utf-8" })).status, 200);
  assert.equal((await post(ask, { "Content-Type": "text/plain" })).status, 415);
  assert.equal((await post(ask, { ...json, Host: "evil.example" })).status, 403);
  assert.equal((await post(ask, { ...json, Host: "localhost:1" })).status, 200);
  assert.equal((await post(ask, { ...json, Host: "[::1]:9" })).status, 200);
  assert.equal((await post(null, {}, "GET")).status, 405);
  const flight = await post(null, { Origin: "https://app.example" }, "OPTIONS");
  assert.equal(flight.status, 204);
  assert.equal(flight.headers["access-control-allow-origin"], "*");
  assert.match(flight.headers["access-control-allow-headers"], /Content-Type/i);
  const page = await post(ask, { ...json, Origin: "https://app.example" });
  assert.equal(page.headers["access-control-allow-origin"], "*");
  const error = async (body) => JSON.parse((await post(body, json)).text).error.code;
  assert.equal(await error("{"), -32700);
  assert.equal(await error("[]"), -32600);
  assert.equal(await error('{"jsonrpc":"2.0","id":1,"method":"eth_nope"}'), -32601);
  assert.equal(await error('{"jsonrpc":"2.0","id":1,"method":"eth_getBalance"}'), -32602);
  assert.equal((await post('{"jsonrpc":"2.0","method":"eth_chainId"}', json)).status, 204);
  const large = await post("x".repeat(5 * 1024 * 1024), json).catch(() => ({ status: 413 }));
  assert.equal(large.status, 413);
});

async function main() {
  const provider = new JsonRpcProvider(url, undefined, { pollingInterval: 200, cacheTimeout: -1 });
  const wallet = new Wallet(process.env.CAIRN_USER_KEY, provider);
  const abi = JSON.parse(fs.readFileSync(path.join(abiFolder, "ITerritory.json"), "utf8"));
  const territory = new Contract(TERRITORY, abi, wallet);
  for (const { name, run } of steps) {
    const begin = Date.now();
    await run({ provider, wallet, territory });
    console.log(`ok ${name} (${Date.now() - begin} ms)`);
  }
  provider.destroy();
  console.log(`${steps.length} of ${steps.length} passed`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
