// contracts.js: what the client tests share: compiled contracts, keys, and a check that counts.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const folder = path.join(__dirname, "../../../contracts");
const modules = {
  bucket: "0x00000000000000000000000000000000ca1a0006",
  territory: "0x00000000000000000000000000000000ca1a0005",
};

// { abi, bytecode } of contracts/build.
function built(name) {
  return JSON.parse(fs.readFileSync(path.join(folder, "build", `${name}.json`), "utf8"));
}

// The ABI of a native module: "IBucket".
function moduleAbi(name) {
  return JSON.parse(fs.readFileSync(path.join(folder, "abi", `${name}.json`), "utf8"));
}

// Polls until `holds` says yes; the devnet makes a block a second or faster.
async function until(what, holds, seconds = 90) {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) {
      throw new Error(`waited ${seconds} s in vain until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

// Runs named steps one after another; the first failure ends the test.
async function run(steps) {
  for (const [name, step] of steps) {
    try {
      await step();
      console.log(`  ok    ${name}`);
    } catch (error) {
      console.log(`  FAIL  ${name}: ${error.stack}`);
      process.exit(1);
    }
  }
  console.log(`${steps.length} of ${steps.length} steps passed`);
  process.exit(0);
}

module.exports = {
  built, moduleAbi, modules, run, until,
  url: process.env.CAIRN_RPC,
  chainId: Number(process.env.CAIRN_CHAIN_ID),
  keys: (process.env.CAIRN_KEYS ?? "").split(",").filter((key) => key.length > 0),
};
