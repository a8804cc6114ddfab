// node run.mjs PROGRAM.wasm: runs every case; what the program writes goes to stdout.
import { readFileSync, writeSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {
  platform: {
    write(address, nBytes) {
      let bytes = new Uint8Array(instance.exports.memory.buffer, address, nBytes);
      while (bytes.length > 0) {
        bytes = bytes.subarray(writeSync(1, bytes));
      }
    },
  },
});
instance.exports.run_cases();
