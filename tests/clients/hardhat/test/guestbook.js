// npx hardhat test --network cairn
"use strict";

const assert = require("node:assert/strict");
const { ethers, network } = require("hardhat");

const fee = ethers.parseEther("0.01");

describe("Guestbook", () => {
  let guestbook;
  let host;
  let guest;

  before(async () => {
    [host, guest] = await ethers.getSigners();
    guestbook = await ethers.deployContract("Guestbook", [fee]);
    await guestbook.waitForDeployment();
  });

  it("is on the network that was named", async () => {
    assert.equal(network.name, "cairn");
    const { chainId } = await ethers.provider.getNetwork();
    assert.equal(chainId, BigInt(process.env.CAIRN_CHAIN_ID));
    assert.notEqual(await ethers.provider.getCode(guestbook.target), "0x");
  });

  it("reads", async () => {
    assert.equal(await guestbook.host(), host.address);
    assert.equal(await guestbook.fee(), fee);
    assert.equal(await guestbook.count(), 0n);
  });

  it("writes, pays and logs", async () => {
    const before = await ethers.provider.getBalance(guestbook.target);
    const sent = await guestbook.connect(guest).sign("Grüße", { value: fee });
    const receipt = await sent.wait();
    assert.equal(receipt.status, 1);
    const signed = receipt.logs.map((log) => guestbook.interface.parseLog(log))
      .find((log) => log?.name === "Signed");
    assert.deepEqual([...signed.args], [guest.address, 0n, "Grüße"]);
    assert.equal(await guestbook.at(0), "Grüße");
    assert.equal(await guestbook.signatures(guest.address), 1n);
    assert.equal((await ethers.provider.getBalance(guestbook.target)) - before, fee);
  });

  it("finds its events", async () => {
    const found = await guestbook.queryFilter(guestbook.filters.Signed(guest.address));
    assert.equal(found.length, 1);
    assert.equal(found[0].args.text, "Grüße");
  });

  it("says why it reverts", async () => {
    await assert.rejects(guestbook.connect(guest).sign("x", { value: 1n }), (error) => {
      const reason = guestbook.interface.parseError(error.data ?? error.error?.data);
      assert.equal(reason.name, "NotEnough");
      assert.deepEqual([...reason.args], [1n, fee]);
      return true;
    });
    await assert.rejects(guestbook.connect(guest).setFee(0n), /only the host/);
    await assert.rejects(guestbook.sign("", { value: fee }), /say something/);
    await assert.rejects(guestbook.at.staticCall(7n), /revert|panic/i);
  });

  it("stays as it was after a revert in a block", async () => {
    const sent = await guestbook.connect(guest).setFee(0n, { gasLimit: 100000n });
    await assert.rejects(sent.wait(), (error) => error.receipt.status === 0);
    assert.equal(await guestbook.fee(), fee);
  });
});
