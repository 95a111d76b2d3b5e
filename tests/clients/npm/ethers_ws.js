// Stock ethers over WebSocketProvider. Environment: see tests/clients/websocket.sh.
"use strict";

const assert = require("node:assert/strict");
const { Contract, ContractFactory, Wallet, WebSocketProvider } = require("ethers");
const { abi, bytecode, chainId, key, run, take, url } = require("./ws_ping.js");

async function deploy(wallet) {
  const contract = await new ContractFactory(abi, bytecode, wallet).deploy();
  await contract.waitForDeployment();
  return contract;
}

// Heads come one by one, each the child of the one before.
async function heads(provider) {
  const numbers = await take(3, (push) => provider.on("block", push));
  await provider.off("block");
  assert.deepEqual(numbers, [numbers[0], numbers[0] + 1, numbers[0] + 2]);
  const [first, second] = await Promise.all(numbers.map((number) => provider.getBlock(number)));
  assert.equal(second.parentHash, first.hash);
}

async function events(contract, wallet) {
  const other = new Contract(await wallet.getAddress(), abi, wallet);
  other.on("Ping", () => assert.fail("an event of nobody"));
  let push;
  const seen = take(3, (given) => { push = given; });
  await contract.on("Ping", (event) => push(event.log));
  const receipts = [];
  for (let i = 0; i < 3; i++) {
    receipts.push(await (await contract.ping()).wait());
  }
  const logs = await seen;
  await contract.off("Ping");
  await other.off("Ping");
  assert.deepEqual(logs.map((log) => log.transactionHash), receipts.map((receipt) => receipt.hash));
  assert.deepEqual(logs.map((log) => log.blockHash), receipts.map((receipt) => receipt.blockHash));
  assert.ok(logs.every((log) => log.removed === false && log.index === 0));
}

async function pending(provider, contract) {
  let push;
  const seen = take(1, (given) => { push = given; });
  await provider.on("pending", (hash) => push(hash));
  const sent = await contract.ping();
  assert.deepEqual(await seen, [sent.hash]);
  await provider.off("pending");
  await sent.wait();
}

async function refusals(provider) {
  const subscribe = (...params) => provider.send("eth_subscribe", params);
  await assert.rejects(subscribe("newHead"), /no .*newHead.* subscription/u);
  await assert.rejects(provider.send("eth_unsubscribe", ["0x12"]), /subscription not found/u);
  await assert.rejects(provider.send("eth_nothing", []), /does not exist/u);
  const id = await subscribe("newHeads");
  assert.equal(await provider.send("eth_unsubscribe", [id]), true);
}

run(async () => {
  const provider = new WebSocketProvider(url, chainId);
  assert.equal((await provider.getNetwork()).chainId, BigInt(chainId));
  const wallet = new Wallet(key, provider);
  await heads(provider);
  const contract = await deploy(wallet);
  await events(contract, wallet);
  await pending(provider, contract);
  await refusals(provider);
  const many = Array.from({ length: 200 }, (_, i) => provider.getBalance(wallet.address, i % 2));
  assert.equal((await Promise.all(many)).length, 200);
  await provider.destroy();
  console.log("ethers over WebSocket: heads, events, pending transactions, refusals, 200 at once");
});
