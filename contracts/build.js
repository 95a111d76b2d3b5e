// Compiles the contracts of this folder: `tools/build-contracts` runs it under the pinned Node, with
// NODE_PATH naming the pinned compiler (solc) and libraries (@openzeppelin/contracts).
// With --check nothing is written: files that differ from what is compiled are named.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const solc = require("solc");

const here = __dirname;
const libraries = process.env.NODE_PATH;
const folders = ["examples", "test"];
const outFolder = path.join(here, "build");

// Contracts of libraries that the tests deploy as they are.
const fromLibraries = ["@openzeppelin/contracts/governance/TimelockController.sol"];

function sources() {
  const found = {};
  for (const folder of folders) {
    for (const file of fs.readdirSync(path.join(here, folder)).sort()) {
      if (file.endsWith(".sol")) {
        found[`${folder}/${file}`] = { content: fs.readFileSync(path.join(here, folder, file), "utf8") };
      }
    }
  }
  for (const name of fromLibraries) {
    found[name] = { content: fs.readFileSync(path.join(libraries, name), "utf8") };
  }
  return found;
}

// An import is a path below this folder or below the libraries.
function importFile(name) {
  const root = name.startsWith("@") ? libraries : here;
  const file = path.resolve(root, name);
  if (!file.startsWith(path.resolve(root) + path.sep) || !fs.existsSync(file)) {
    return { error: `there is no ${name}` };
  }
  return { contents: fs.readFileSync(file, "utf8") };
}

function compile(input) {
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: importFile }));
  const problems = (output.errors ?? []).filter((one) => one.severity !== "info");
  for (const problem of problems) {
    console.error(problem.formattedMessage);
  }
  if (problems.length > 0) {
    process.exit(1);
  }
  return output.contracts;
}

function results() {
  const settings = {
    evmVersion: "prague",
    optimizer: { enabled: true, runs: 200 },
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
  };
  const wanted = sources();
  const compiled = compile({ language: "Solidity", sources: wanted, settings });
  const files = {};
  for (const source of Object.keys(wanted)) {
    for (const [name, contract] of Object.entries(compiled[source])) {
      if (contract.evm.bytecode.object.length > 0) {
        files[`${name}.json`] = {
          contractName: name,
          sourceName: source,
          compiler: solc.version(),
          abi: contract.abi,
          bytecode: `0x${contract.evm.bytecode.object}`,
          deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
        };
      }
    }
  }
  return files;
}

function main() {
  const check = process.argv.includes("--check");
  const files = results();
  const present = fs.existsSync(outFolder) ? fs.readdirSync(outFolder) : [];
  const stale = present.filter((name) => !(name in files));
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(outFolder, name);
    const text = JSON.stringify(content, null, 2) + "\n";
    if (!fs.existsSync(file) || fs.readFileSync(file, "utf8") !== text) {
      stale.push(name);
      if (!check) {
        fs.mkdirSync(outFolder, { recursive: true });
        fs.writeFileSync(file, text);
      }
    }
  }
  if (check && stale.length > 0) {
    console.error(`stale in contracts/build: ${stale.join(", ")}; run tools/build-contracts`);
    process.exit(1);
  }
  console.log(`${Object.keys(files).length} contracts, ${stale.length} changed`);
}

main();
