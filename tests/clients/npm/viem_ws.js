// Stock viem over its webSocket transport. Environment: see tests/clients/websocket.sh.
"use strict";

const assert = require("node:assert/strict");
const { createPublicClient, createWalletClient, defineChain, webSocket } = require("viem");
const { privateKeyToAccount } = require("viem/accounts");
const { abi, bytecode, chainId, key, run, take, url } = require("./ws_ping.js");

const chain = defineChain({
  id: chainId,
  name: "cairn",
  nativeCurrency: { name: "cairn", symbol: "CRN", decimals: 18 },
  rpcUrls: { default: { http: [], webSocket: [url] } },
});
const transport = webSocket(url, { retryCount: 0 });
const account = privateKeyToAccount(key);
const reader = createPublicClient({ chain, transport });
const writer = createWalletClient({ account, chain, transport });

const fails = (error) => { throw error; };

async function deploy() {
  const hash = await writer.deployContract({ abi, bytecode });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  return receipt.contractAddress;
}

async function heads() {
  let stop;
  const blocks = await take(3, (push) => {
    stop = reader.watchBlocks({ onBlock: push, onError: fails });
  });
  stop();
  assert.equal(blocks[1].number, blocks[0].number + 1n);
  assert.equal(blocks[2].parentHash, blocks[1].hash);
}

async function events(address) {
  let stop;
  let push;
  const seen = take(2, (given) => { push = given; });
  stop = reader.watchContractEvent({
    address, abi, eventName: "Ping", onLogs: (logs) => logs.forEach(push), onError: fails,
  });
  await new Promise((resolve) => { setTimeout(resolve, 300); }); // viem subscribes in the background
  const hashes = [];
  for (let i = 0; i < 2; i++) {
    hashes.push(await writer.writeContract({ address, abi, functionName: "ping" }));
    await reader.waitForTransactionReceipt({ hash: hashes[i] });
  }
  const logs = await seen;
  stop();
  assert.deepEqual(logs.map((log) => log.transactionHash), hashes);
}

async function pending(address) {
  let stop;
  let push;
  const seen = take(1, (given) => { push = given; });
  stop = reader.watchPendingTransactions({
    onTransactions: (hashes) => hashes.forEach(push), onError: fails,
  });
  await new Promise((resolve) => { setTimeout(resolve, 300); });
  const hash = await writer.writeContract({ address, abi, functionName: "ping" });
  assert.deepEqual(await seen, [hash]);
  stop();
}

run(async () => {
  assert.equal(await reader.getChainId(), chainId);
  await heads();
  const address = await deploy();
  await events(address);
  await pending(address);
  const many = Array.from({ length: 100 }, () => reader.getBlock({ includeTransactions: true }));
  assert.equal((await Promise.all(many)).length, 100);
  console.log("viem over webSocket: heads, events, pending transactions, 100 at once");
});
