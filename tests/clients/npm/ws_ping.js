// A contract that emits Ping() whenever it is called, and what the WebSocket scripts share.
"use strict";

const { id } = require("ethers");

const topic = id("Ping()").slice(2);
const runtime = `7f${topic}60006000a100`; // PUSH32 topic, LOG1 of nothing, STOP
const length = (runtime.length / 2).toString(16).padStart(2, "0");

module.exports = {
  // Copies what is behind these twelve bytes into memory and returns it.
  bytecode: `0x60${length}600c60003960${length}6000f3${runtime}`,
  abi: [
    { type: "event", name: "Ping", inputs: [], anonymous: false },
    { type: "function", name: "ping", inputs: [], outputs: [], stateMutability: "nonpayable" },
  ],
  url: process.env.CAIRN_WS,
  key: process.env.CAIRN_USER_KEY,
  chainId: Number(process.env.CAIRN_CHAIN_ID),

  // The first `count` values that `start(push)` gives, or a failure after ten seconds.
  take(count, start) {
    return new Promise((resolve, reject) => {
      const values = [];
      const timer = setTimeout(() => reject(new Error(`${values.length} of ${count} came`)), 10000);
      start((value) => {
        values.push(value);
        if (values.length === count) {
          clearTimeout(timer);
          resolve(values);
        }
      });
    });
  },

  run(main) {
    main().then(() => process.exit(0), (error) => {
      console.error(error);
      process.exit(1);
    });
  },
};
