// node bench_runner.mjs MODULE.wasm CALLS INPUTS: raw input tensors on standard input; times of
// one inference's calls on standard output, as templates/bench/main.c.j2 has them, in JSON.

import { readFileSync } from "node:fs";

const FEW_TURNS = 5;
const MANY_TURNS = 25;
const BATCH_MS = 0.3;
const WARM_UP_MS = 300; // the engine compiles hot functions a second time
const PATIENCE_MS = 10000;

const [modulePath, callsText, inputsText] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(modulePath));
const { memory, input, input_bytes: inputBytes, calls, runs } = instance.exports;
const nCalls = Number(callsText);
const whole = nCalls + 1;

const stream = readFileSync(0);
const inputs = [];
let offset = 0;
for (let index = 0; index < Number(inputsText); index++) {
  inputs.push(stream.subarray(offset, offset + inputBytes(index)));
  offset += inputBytes(index);
}
if (offset !== stream.length) {
  throw new Error(`standard input has ${stream.length} bytes, and the module takes ${offset}`);
}

function timeRow(row, times) {
  inputs.forEach((bytes, index) => new Uint8Array(memory.buffer).set(bytes, input(index)));
  if (row < nCalls) {
    calls(0, row, 1);
  }
  const start = performance.now();
  if (row === whole) {
    runs(times);
  } else {
    calls(row, row < nCalls ? row + 1 : row, times);
  }
  return performance.now() - start;
}

const begin = performance.now();
do {
  for (let row = 0; row <= whole; row++) {
    timeRow(row, 4);
  }
} while (performance.now() - begin < WARM_UP_MS);

const times = [];
for (let row = 0; row <= whole; row++) {
  times.push(1);
  while (timeRow(row, times[row]) < BATCH_MS) {
    times[row] *= 2;
  }
}

const turns = [];
for (let turn = 0; turn < MANY_TURNS; turn++) {
  if (turn >= FEW_TURNS && performance.now() - begin > PATIENCE_MS) {
    break;
  }
  turns.push(times.map((n, row) => [timeRow(row, n) * 1e6, n]));
}
process.stdout.write(JSON.stringify({ version: process.version, turns }));
