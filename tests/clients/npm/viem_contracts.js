// Stock viem deploys and uses OpenZeppelin's contracts and the paywalled archive. Environment: see
// tests/clients/viem_contracts.sh.
"use strict";

const assert = require("node:assert/strict");
const {
  BaseError, ContractFunctionRevertedError, createPublicClient, createWalletClient, defineChain,
  encodeFunctionData, getAddress, getContractAddress, http, keccak256, parseEther, parseEventLogs,
  parseUnits, stringToBytes, zeroAddress, zeroHash,
} = require("viem");
const { privateKeyToAccount } = require("viem/accounts");
const { built, chainId, keys, moduleAbi, modules, run, until, url } = require("./contracts.js");

const chain = defineChain({
  id: chainId, name: "Cairn", nativeCurrency: { name: "Cairn", symbol: "CRN", decimals: 18 },
  rpcUrls: { default: { http: [url] } },
});
const transport = http(url, { batch: true });
const reader = createPublicClient({ chain, transport, pollingInterval: 250 });
const [owner, alice, bob] = keys.map((key) => createWalletClient({
  account: privateKeyToAccount(key), chain, transport, pollingInterval: 250,
}));
const address = (wallet) => wallet.account.address;
const made = {};

async function deploy(name, args = [], value = undefined) {
  const { abi, bytecode } = built(name);
  const nonce = await reader.getTransactionCount({ address: address(owner) });
  const hash = await owner.deployContract({ abi, bytecode, args, value });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  assert.equal(receipt.contractAddress.toLowerCase(),
    getContractAddress({ from: address(owner), nonce: BigInt(nonce) }).toLowerCase());
  made[name] = { abi, address: getAddress(receipt.contractAddress) };
  return made[name];
}

const read = (name, functionName, ...args) =>
  reader.readContract({ ...made[name], functionName, args });

// Simulates, sends, awaits; the events of the contract.
async function write(wallet, name, functionName, args = [], value = undefined) {
  const { request } = await reader.simulateContract({
    ...made[name], functionName, args, value, account: wallet.account,
  });
  const hash = await wallet.writeContract(request);
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  return { receipt, events: parseEventLogs({ abi: made[name].abi, logs: receipt.logs }) };
}

// It fails with that error of the ABI, or that reason; returns the error's arguments.
async function fails(promise, name) {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof BaseError, `${error}`);
    const reverted = error.walk((one) => one instanceof ContractFunctionRevertedError);
    assert.ok(reverted, `${error}`);
    const found = reverted.data?.errorName;
    assert.equal(found && found !== "Error" ? found : reverted.reason, name);
    return reverted.data?.args;
  }
  assert.fail(`it did not fail with ${name}`);
}

// --- OpenZeppelin's tokens ---

async function token() {
  await deploy("TestToken", ["Viem Token", "VT", parseUnits("1000", 18)]);
  assert.equal(await read("TestToken", "symbol"), "VT");
  const { events, receipt } = await write(owner, "TestToken", "transfer",
    [address(alice), parseUnits("100", 18)]);
  const moved = events.find((one) => one.eventName === "Transfer");
  assert.deepEqual(moved.args,
    { from: address(owner), to: address(alice), value: parseUnits("100", 18) });
  await write(alice, "TestToken", "approve", [address(bob), 5n]);
  await write(bob, "TestToken", "transferFrom", [address(alice), address(bob), 5n]);
  const balances = await Promise.all([alice, bob].map((one) =>
    read("TestToken", "balanceOf", address(one))));
  assert.deepEqual(balances, [parseUnits("100", 18) - 5n, 5n]);
  const logs = await reader.getContractEvents({
    ...made.TestToken, eventName: "Transfer", args: { to: address(bob) },
    fromBlock: receipt.blockNumber,
  });
  assert.equal(logs.length, 1);
  const args = await fails(write(bob, "TestToken", "transfer", [address(alice), 6n]),
    "ERC20InsufficientBalance");
  assert.deepEqual(args, [address(bob), 5n, 6n]);
}

async function tokenWatched() {
  const seen = [];
  const stop = reader.watchContractEvent({
    ...made.TestToken, eventName: "Approval", onLogs: (logs) => seen.push(...logs),
  });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await write(bob, "TestToken", "approve", [address(owner), 77n]);
  await until("the event arrives", () => seen.some((one) => one.args.value === 77n), 30);
  stop();
}

async function collectible() {
  await deploy("TestCollectible");
  const { events } = await write(owner, "TestCollectible", "mint", [address(alice), "ipfs://two"]);
  assert.equal(events.find((one) => one.eventName === "Transfer").args.tokenId, 1n);
  await write(alice, "TestCollectible", "safeTransferFrom", [address(alice), address(bob), 1n]);
  assert.equal(await read("TestCollectible", "ownerOf", 1n), address(bob));
  await fails(write(alice, "TestCollectible", "mint", [address(alice), "x"]),
    "OwnableUnauthorizedAccount");
  await fails(read("TestCollectible", "tokenURI", 9n), "ERC721NonexistentToken");
}

// --- Governor and timelock ---

async function governance() {
  const timelock = await deploy("TimelockController", [1n, [], [zeroAddress], address(owner)]);
  const governor = await deploy("TestGovernor", [made.TestToken.address, timelock.address, 5]);
  const role = await read("TimelockController", "PROPOSER_ROLE");
  await write(owner, "TimelockController", "grantRole", [role, governor.address]);
  await write(owner, "TestToken", "delegate", [address(owner)]);
  await write(owner, "TestToken", "transfer", [timelock.address, 500n]);
  const calldata = encodeFunctionData({
    ...made.TestToken, functionName: "transfer", args: [address(bob), 500n],
  });
  const text = "viem pays bob";
  const batch = [[made.TestToken.address], [0n], [calldata]];
  const { events } = await write(owner, "TestGovernor", "propose", [...batch, text]);
  const number = events.find((one) => one.eventName === "ProposalCreated").args.proposalId;
  const state = () => read("TestGovernor", "state", number);
  await until("the vote is open", async () => (await state()) === 1);
  await write(owner, "TestGovernor", "castVote", [number, 1]);
  await until("the vote is over", async () => (await state()) === 4);
  const described = keccak256(stringToBytes(text));
  await write(owner, "TestGovernor", "queue", [...batch, described]);
  const before = await read("TestToken", "balanceOf", address(bob));
  const ready = async () => {
    const eta = await read("TestGovernor", "proposalEta", number);
    return (await reader.getBlock()).timestamp >= eta;
  };
  await until("the delay is over", ready);
  await write(alice, "TestGovernor", "execute", [...batch, described]);
  assert.equal(await state(), 7);
  assert.equal((await read("TestToken", "balanceOf", address(bob))) - before, 500n);
}

// --- the paywalled archive ---

async function archive() {
  const territories = { address: modules.territory, abi: moduleAbi("ITerritory") };
  const buckets = { address: modules.bucket, abi: moduleAbi("IBucket") };
  const [size, lease, price] = [1n << 22n, 60n * 86400n, parseEther("0.5")];
  // A point of secp256k1: the public key of the private key 1.
  const label = "0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
  const cost = await reader.readContract({
    ...territories, functionName: "price", args: [size, 1, lease],
  });
  const { address: at } = await deploy("PaywalledArchive",
    [size, lease, price, 600n, "0x", label], cost);
  const bucket = await read("PaywalledArchive", "bucket");
  const record = await reader.readContract({ ...buckets, functionName: "get", args: [bucket] });
  assert.equal(record[0], at);
  assert.equal(record[1], await read("PaywalledArchive", "territory"));
  const { events } = await write(alice, "PaywalledArchive", "subscribe", [3n, label], 3n * price);
  assert.equal(events[0].args.reader, address(alice));
  assert.equal(await read("PaywalledArchive", "hasAccess", address(alice)), true);
  assert.equal(await reader.getBalance({ address: at }), 3n * price);
  await fails(write(bob, "PaywalledArchive", "subscribe", [0n, label]), "WrongPayment");
  await fails(write(owner, "PaywalledArchive", "withdraw", [address(owner), 3n * price]),
    "ReserveNeeded");
  await write(bob, "PaywalledArchive", "extend", [86400n]);
  assert.deepEqual(await read("PaywalledArchive", "head"), [zeroHash, `0x${"00".repeat(20)}`, 0n]);
}

async function oddCalls() {
  const { address: at, abi } = made.TestToken;
  const gas = await reader.estimateContractGas({
    address: at, abi, functionName: "transfer", args: [address(alice), 1n], account: owner.account,
  });
  assert.ok(gas > 21000n && gas < 100000n);
  const results = await reader.multicall({
    allowFailure: true, batchSize: 0, deployless: true,
    contracts: ["name", "totalSupply"].map((functionName) => ({ address: at, abi, functionName })),
  });
  assert.deepEqual(results.map((one) => one.status), ["success", "success"]);
  const slot = await reader.getStorageAt({ address: at, slot: "0x2" });
  assert.equal(BigInt(slot), await read("TestToken", "totalSupply"));
  const { accessList } = await reader.createAccessList({
    account: owner.account, to: at,
    data: encodeFunctionData({ abi, functionName: "transfer", args: [address(alice), 1n] }),
  });
  assert.equal(accessList[0].address.toLowerCase(), at.toLowerCase());
}

// --- an account that acts by a contract's code (EIP-7702) ---

async function delegation() {
  const probe = await deploy("ModuleProbe");
  const self = address(alice);
  // Bob pays the gas; alice only signs.
  const authorization = await alice.signAuthorization({ contractAddress: probe.address });
  const hash = await bob.sendTransaction({
    authorizationList: [authorization], to: self, value: 3n,
  });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  assert.equal(receipt.type, "eip7702");
  const code = await reader.getCode({ address: self });
  assert.equal(code, `0xef0100${probe.address.slice(2).toLowerCase()}`);
  const [received] = parseEventLogs({ abi: probe.abi, logs: receipt.logs });
  assert.equal(received.address.toLowerCase(), self.toLowerCase());
  assert.deepEqual(received.args, { amount: 3n });
  const sent = await reader.getTransaction({ hash });
  assert.equal(sent.authorizationList.length, 1);
  assert.equal(sent.authorizationList[0].address.toLowerCase(), probe.address.toLowerCase());
  // The account calls a module as itself, by the contract's code.
  const count = encodeFunctionData({ abi: moduleAbi("ITerritory"), functionName: "count" });
  const { result } = await reader.simulateContract({
    address: self, abi: probe.abi, functionName: "raw", account: bob.account,
    args: [1, modules.territory, 0n, 1000000n, count],
  });
  assert.equal(result[0], true);
  // Taken back by the account itself: its nonce is one further then.
  const back = await alice.signAuthorization({ contractAddress: zeroAddress, executor: "self" });
  await reader.waitForTransactionReceipt({
    hash: await alice.sendTransaction({ authorizationList: [back], to: self }),
  });
  assert.equal(await reader.getCode({ address: self }), undefined);
}

run([
  ["ERC-20: deploy, transfer, approve, events, errors", token],
  ["ERC-20: events are watched", tokenWatched],
  ["ERC-721: mint, move, refuse", collectible],
  ["Governor and timelock: propose, vote, queue, execute", governance],
  ["archive: leases, sells, pays", archive],
  ["an account delegates to a contract and takes it back", delegation],
  ["estimates, multicall without a contract, storage, access lists", oddCalls],
]);
