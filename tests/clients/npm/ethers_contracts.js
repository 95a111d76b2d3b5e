// Stock ethers deploys and uses OpenZeppelin's contracts and the paywalled archive. Environment:
// see tests/clients/ethers_contracts.sh.
"use strict";

const assert = require("node:assert/strict");
const {
  Contract, ContractFactory, Interface, JsonRpcProvider, Signature, SigningKey, Wallet, ZeroAddress,
  ZeroHash, id, isCallException, parseEther, parseUnits,
} = require("ethers");
const { built, chainId, keys, moduleAbi, modules, run, until, url } = require("./contracts.js");

const provider = new JsonRpcProvider(url, chainId, { staticNetwork: true });
provider.pollingInterval = 250;
const [owner, alice, bob] = keys.map((key) => new Wallet(key, provider));
const made = {};
const interfaces = ["TestToken", "TestCollectible", "TestGovernor", "TimelockController",
  "PaywalledArchive", "ModuleProbe"].map((name) => new Interface(built(name).abi));

async function deploy(name, ...args) {
  const { abi, bytecode } = built(name);
  const contract = await new ContractFactory(abi, bytecode, owner).deploy(...args);
  await contract.waitForDeployment();
  assert.notEqual(await provider.getCode(contract), "0x");
  made[name] = contract;
  return contract;
}

async function done(sent) {
  const receipt = await (await sent).wait();
  assert.equal(receipt.status, 1);
  return receipt;
}

// The call fails with that error of a contract's ABI, or that reason; returns its arguments. What
// fails while its gas is estimated comes as bytes: a signer knows no ABI.
async function fails(promise, name) {
  try {
    await promise;
  } catch (error) {
    assert.ok(isCallException(error), `${error}`);
    const revert = error.revert ?? parseError(error.data);
    assert.equal(revert && revert.name !== "Error" ? revert.name : error.reason, name);
    return revert?.args;
  }
  assert.fail(`it did not fail with ${name}`);
}

function parseError(data) {
  return interfaces.map((one) => one.parseError(data ?? "0x")).find((one) => one !== null);
}

// --- ERC-20 ---

async function tokenDeploys() {
  const token = await deploy("TestToken", "Test Token", "TT", parseUnits("1000"));
  assert.equal(await token.name(), "Test Token");
  assert.equal(await token.decimals(), 18n);
  assert.equal(await token.totalSupply(), parseUnits("1000"));
  assert.equal(await token.balanceOf(owner), parseUnits("1000"));
}

async function tokenMoves() {
  const token = made.TestToken;
  const receipt = await done(token.transfer(alice, parseUnits("100")));
  const event = receipt.logs.map((log) => token.interface.parseLog(log))
    .find((log) => log?.name === "Transfer");
  assert.deepEqual([...event.args], [owner.address, alice.address, parseUnits("100")]);
  await done(token.connect(alice).approve(bob, parseUnits("40")));
  await done(token.connect(bob).transferFrom(alice, bob, parseUnits("15")));
  assert.equal(await token.balanceOf(alice), parseUnits("85"));
  assert.equal(await token.balanceOf(bob), parseUnits("15"));
  assert.equal(await token.allowance(alice, bob), parseUnits("25"));
  const found = await token.queryFilter(token.filters.Transfer(alice), receipt.blockNumber);
  assert.equal(found.length, 1);
  assert.equal(found[0].args.value, parseUnits("15"));
}

async function tokenRefuses() {
  const token = made.TestToken.connect(bob);
  const args = await fails(token.transfer(alice, parseUnits("16")), "ERC20InsufficientBalance");
  assert.deepEqual([...args], [bob.address, parseUnits("15"), parseUnits("16")]);
  await fails(token.transfer.staticCall(ZeroAddress, 1), "ERC20InvalidReceiver");
  await fails(token.transferFrom.estimateGas(alice, bob, parseUnits("26")),
    "ERC20InsufficientAllowance");
  // Sent all the same, with a limit of its own: it is in a block, and reverted.
  const sent = await token.transfer(alice, parseUnits("16"), { gasLimit: 100000 });
  await assert.rejects(sent.wait(), (error) => error.receipt.status === 0);
  assert.equal(await token.balanceOf(bob), parseUnits("15"));
}

async function tokenPermits() {
  const token = made.TestToken;
  const domain = {
    name: "Test Token", version: "1", chainId, verifyingContract: await token.getAddress(),
  };
  const types = {
    Permit: [
      { name: "owner", type: "address" }, { name: "spender", type: "address" },
      { name: "value", type: "uint256" }, { name: "nonce", type: "uint256" },
      { name: "deadline", type: "uint256" },
    ],
  };
  const deadline = BigInt(Math.floor(Date.now() / 1000) + 3600);
  const value = {
    owner: alice.address, spender: bob.address, value: 7n, nonce: await token.nonces(alice),
    deadline,
  };
  const { v, r, s } = Signature.from(await alice.signTypedData(domain, types, value));
  await done(token.connect(bob).permit(alice, bob, 7n, deadline, v, r, s));
  assert.equal(await token.allowance(alice, bob), 7n);
  await fails(token.connect(bob).permit(alice, bob, 7n, deadline, v, r, s), "ERC2612InvalidSigner");
}

// --- ERC-721 ---

async function collectible() {
  const nft = await deploy("TestCollectible");
  await done(nft.mint(alice, "ipfs://one"));
  assert.equal(await nft.ownerOf(1), alice.address);
  assert.equal(await nft.tokenURI(1), "ipfs://one");
  assert.equal(await nft.supportsInterface("0x80ac58cd"), true);
  await done(nft.connect(alice)["safeTransferFrom(address,address,uint256)"](alice, bob, 1));
  assert.equal(await nft.ownerOf(1), bob.address);
  await fails(nft.connect(alice).mint(alice, "x"), "OwnableUnauthorizedAccount");
  await fails(nft.ownerOf(2), "ERC721NonexistentToken");
  // A contract that takes no tokens.
  await fails(nft.connect(bob)["safeTransferFrom(address,address,uint256)"](
    bob, made.TestToken, 1), "ERC721InvalidReceiver");
}

// --- Governor and timelock ---

async function governance() {
  const token = made.TestToken;
  const timelock = await deploy("TimelockController", 2, [], [ZeroAddress], owner.address);
  const governor = await deploy("TestGovernor", token, timelock, 6);
  await done(timelock.grantRole(await timelock.PROPOSER_ROLE(), governor));
  await done(timelock.renounceRole(await timelock.DEFAULT_ADMIN_ROLE(), owner));
  await done(token.delegate(owner));
  await done(token.connect(alice).delegate(alice));
  await done(token.transfer(timelock, parseUnits("50")));
  assert.equal(await token.getVotes(owner), parseUnits("850"));
}

async function proposal() {
  const { TestToken: token, TestGovernor: governor, TimelockController: timelock } = made;
  const calldata = token.interface.encodeFunctionData("transfer", [bob.address, parseUnits("20")]);
  const text = "pay bob";
  const args = [[await token.getAddress()], [0n], [calldata]];
  const proposed = await done(governor.propose(...args, text));
  const event = proposed.logs.map((log) => governor.interface.parseLog(log))
    .find((log) => log?.name === "ProposalCreated");
  const number = event.args.proposalId;
  assert.equal(event.args.description, text);
  await until("the vote is open", async () => (await governor.state(number)) === 1n);
  await done(governor.castVote(number, 1));
  await done(governor.connect(alice).castVoteWithReason(number, 0, "no"));
  await fails(governor.castVote(number, 1), "GovernorAlreadyCastVote");
  const votes = await governor.proposalVotes(number);
  assert.equal(votes.forVotes, parseUnits("850"));
  assert.equal(votes.againstVotes, parseUnits("85"));
  await until("the vote is over", async () => (await governor.state(number)) === 4n);
  const before = await token.balanceOf(bob);
  await done(governor.queue(...args, id(text)));
  await fails(governor.execute(...args, id(text)), "TimelockUnexpectedOperationState");
  await until("the delay is over", async () => {
    const operation = await timelock.hashOperationBatch(...args, ZeroHash, salt(governor, text));
    return timelock.isOperationReady(operation);
  });
  await done(governor.execute(...args, id(text)));
  assert.equal(await governor.state(number), 7n);
  assert.equal((await token.balanceOf(bob)) - before, parseUnits("20"));
}

// As GovernorTimelockControl salts: the governor's address at the left, xor the description's hash.
function salt(governor, text) {
  const left = BigInt(governor.target) << 96n;
  return `0x${(left ^ BigInt(id(text))).toString(16).padStart(64, "0")}`;
}

// --- the paywalled archive: a contract that uses the native modules ---

const size = 1n << 20n;
const lease = 30n * 86400n;
const price = parseEther("0.25");
const labelKey = SigningKey.computePublicKey(`0x${"17".repeat(32)}`, true);

async function archiveOpens() {
  const territories = new Contract(modules.territory, moduleAbi("ITerritory"), provider);
  const buckets = new Contract(modules.bucket, moduleAbi("IBucket"), provider);
  const cost = await territories.price(size, 1, lease);
  await fails(deploy("PaywalledArchive", size, lease, price, 3600, "0x", labelKey, { value: 1 }),
    "WrongPayment");
  const archive = await deploy("PaywalledArchive", size, lease, price, 3600, "0x6e616d65", labelKey,
    { value: cost + parseEther("1") });
  const [bucket, territory] = [await archive.bucket(), await archive.territory()];
  const record = await buckets.get(bucket);
  assert.equal(record.owner, archive.target);
  assert.equal(record.territory, territory);
  assert.equal(record.labelKey, labelKey);
  assert.equal(record.name, "0x6e616d65");
  const leased = await territories.get(territory);
  assert.equal(leased.owner, archive.target);
  assert.equal(leased.size, size);
  assert.equal(leased.paid, cost);
  assert.equal(await provider.getBalance(archive), parseEther("1"));
  const logs = await provider.getLogs({
    address: modules.bucket, topics: [id("BucketCreated(bytes32,address,uint64)"), bucket],
  });
  assert.equal(logs.length, 1);
  assert.deepEqual([...(await archive.usage())], [0n, size]);
  assert.deepEqual([...(await archive.head())], [ZeroHash, `0x${"00".repeat(20)}`, 0n]);
}

async function archiveSells() {
  const archive = made.PaywalledArchive;
  const reader = archive.connect(alice);
  const key = alice.signingKey.compressedPublicKey;
  assert.equal(await archive.hasAccess(alice), false);
  await fails(reader.subscribe(2, key, { value: price }), "WrongPayment");
  await fails(reader.subscribe(1, "0x02", { value: price }), "BadKey");
  const receipt = await done(reader.subscribe(2, key, { value: 2n * price }));
  const event = archive.interface.parseLog(receipt.logs[0]);
  assert.equal(event.name, "Subscribed");
  assert.equal(event.args.readerKey, key);
  const block = await provider.getBlock(receipt.blockNumber);
  assert.equal(event.args.until, BigInt(block.timestamp) + 7200n);
  assert.equal(await archive.hasAccess(alice), true);
  assert.equal(await archive.hasAccess(bob), false);
}

async function archivePaysForItself() {
  const archive = made.PaywalledArchive;
  const before = await archive.expires();
  await done(archive.connect(bob).extend(86400));
  assert.equal(await archive.expires(), before + 86400n);
  // The module's refusal comes through the contract in its own words.
  await fails(archive.extend.staticCall(0), "lease too short");
  await fails(archive.connect(alice).withdraw(alice, 1), "NotPublisher");
  await fails(archive.withdraw(owner, await provider.getBalance(archive)), "ReserveNeeded");
  const left = await provider.getBalance(archive);
  await done(archive.withdraw(bob, parseEther("0.1")));
  assert.equal(await provider.getBalance(archive), left - parseEther("0.1"));
}

async function archiveAppoints() {
  const archive = made.PaywalledArchive;
  const buckets = new Contract(modules.bucket, moduleAbi("IBucket"), bob);
  if ((await buckets.gatewayOf(bob)) === 0n) {
    await done(buckets.registerGateway("https://gateway.example", `0x${"09".repeat(32)}`));
  }
  const gateway = await buckets.gatewayOf(bob);
  const until = (await archive.expires()) - 1n;
  const territory = await archive.territory();
  await done(archive.appoint(gateway, size, until, "0x"));
  const given = await buckets.authorisation(archive, territory, gateway);
  assert.equal(given.scope, 3n);
  assert.equal(given.quota, size);
  await done(archive.dismiss(gateway));
  assert.equal((await buckets.authorisation(archive, territory, gateway)).scope, 0n);
  await fails(archive.connect(alice).dismiss(gateway), "NotPublisher");
}

// --- native modules, called by a contract in every way ---

const kinds = { call: 0, staticcall: 1, delegatecall: 2, callcode: 3 };
const territoryAbi = new Interface(moduleAbi("ITerritory"));
const leaseInput = (redundancy = 1) =>
  territoryAbi.encodeFunctionData("lease", [size, redundancy, lease, "0x"]);
const countInput = territoryAbi.encodeFunctionData("count");

// What a call of that kind gives: "ok", or the reason of the refusal ("" if there is none).
async function outcome(kind, input, { value = 0n, limit = 3000000n } = {}) {
  const result = await made.ModuleProbe.raw.staticCall(
    kinds[kind], modules.territory, value, limit, input, { value });
  if (result.good) {
    return "ok";
  }
  return result.output === "0x" ? "" : territoryAbi.parseError(result.output).args[0];
}

async function modulesByEveryCall() {
  await deploy("ModuleProbe");
  const value = parseEther("100");
  assert.equal(await outcome("call", countInput), "ok");
  assert.equal(await outcome("staticcall", countInput), "ok");
  assert.equal(await outcome("call", leaseInput(), { value }), "ok");
  assert.equal(await outcome("staticcall", leaseInput()), "state change in a static call");
  for (const kind of ["delegatecall", "callcode"]) {
    for (const input of [countInput, leaseInput(), "0x", "0x12345678"]) {
      assert.equal(await outcome(kind, input), "native modules take no delegate calls");
    }
  }
  assert.equal(await outcome("call", countInput, { value: 1n }), "function is not payable");
  for (const input of ["0x", "0x12", "0x12345678", `0x${"ff".repeat(100)}`]) {
    assert.equal(await outcome("call", input), "no such function");
    assert.equal(await outcome("staticcall", input), "no such function");
  }
  // A value that does not fit its type, a word too many, a word too few.
  const dirty = leaseInput().replace(/0{63}1/, `${"0".repeat(61)}101`);
  assert.notEqual(dirty, leaseInput());
  for (const input of [dirty, `${leaseInput()}${"00".repeat(32)}`, leaseInput().slice(0, -64),
    `${countInput}00`]) {
    assert.equal(await outcome("call", input), "malformed arguments");
  }
  // Too little gas: no reason, and the caller goes on.
  for (const limit of [0n, 100n, 2000n]) {
    assert.equal(await outcome("call", leaseInput(), { limit }), "");
  }
}

async function modulesUndoWithTheirFrame() {
  const probe = made.ModuleProbe;
  const territories = new Contract(modules.territory, moduleAbi("ITerritory"), owner);
  const cost = await territories.price(size, 1, lease);
  const before = await territories.count();
  const ownBefore = await provider.getBalance(probe);
  const sent = cost + parseEther("1");
  await fails(probe.leaseAndFail(size, lease, { value: sent }), "Enough");
  const reverted = await probe.leaseAndFail(size, lease, { value: sent, gasLimit: 3000000n });
  await assert.rejects(reverted.wait(), (error) => error.receipt.logs.length === 0);
  assert.equal(await territories.count(), before);
  assert.equal(await provider.getBalance(probe), ownBefore);
  // A lease that is undone, and one that stays; what is left of the value comes back to the
  // contract without running it.
  const receipt = await done(probe.leaseFailLease(size, lease, { value: sent }));
  assert.equal(await territories.count(), before + 1n);
  assert.equal((await territories.get(before + 1n)).owner, probe.target);
  assert.equal(await provider.getBalance(probe), ownBefore + sent - (await paid(receipt)));
  assert.ok(receipt.logs.every((log) => log.address.toLowerCase() === modules.territory));
  // By an ordinary payment it does run.
  const plain = await done(owner.sendTransaction({ to: probe, value: 5n }));
  assert.equal(probe.interface.parseLog(plain.logs[0]).name, "Received");
}

// What the one lease in a receipt cost.
async function paid(receipt) {
  const leases = receipt.logs.map((log) => territoryAbi.parseLog(log))
    .filter((log) => log?.name === "Leased");
  assert.equal(leases.length, 1);
  return leases[0].args.paid;
}

run([
  ["ERC-20: deploy and read", tokenDeploys],
  ["ERC-20: transfer, approve, transferFrom, events", tokenMoves],
  ["ERC-20: reverts with their errors", tokenRefuses],
  ["ERC-20: permit by a typed signature", tokenPermits],
  ["ERC-721: mint, move, refuse", collectible],
  ["Governor and timelock: deploy, roles, votes", governance],
  ["Governor and timelock: propose, vote, queue, execute", proposal],
  ["archive: leases a territory and owns a bucket", archiveOpens],
  ["archive: sells access", archiveSells],
  ["archive: pays for its lease, keeps a reserve", archivePaysForItself],
  ["archive: appoints and dismisses a gateway", archiveAppoints],
  ["modules: every kind of call, hostile inputs", modulesByEveryCall],
  ["modules: undone with the frame that called them", modulesUndoWithTheirFrame],
]);
