// npx hardhat run scripts/deploy.js --network cairn
"use strict";

const hre = require("hardhat");

async function main() {
  const guestbook = await hre.ethers.deployContract("Guestbook", [0n]);
  await guestbook.waitForDeployment();
  console.log(`Guestbook at ${guestbook.target} on chain ${await hre.network.provider.send("eth_chainId")}`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
