// An ordinary Hardhat 2 project with a network `cairn`. One thing is not ordinary: the compiler is
// the solc of the lock file instead of a download.
"use strict";

const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
require("@nomicfoundation/hardhat-ethers");

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion }) => ({
  compilerPath: require.resolve("solc/soljson.js"),
  isSolcJs: true,
  version: solcVersion,
  longVersion: require("solc").version().replace(".Emscripten.clang", ""),
}));

module.exports = {
  solidity: {
    version: require("solc/package.json").version,
    settings: { optimizer: { enabled: true, runs: 200 } },
  },
  networks: {
    cairn: {
      url: process.env.CAIRN_RPC,
      chainId: Number(process.env.CAIRN_CHAIN_ID),
      accounts: (process.env.CAIRN_KEYS ?? "").split(","),
    },
  },
  mocha: { timeout: 120000 },
};
