// node node_runner.mjs MODULE SIZES: raw input tensors on standard input, one inference after
// the other, raw output tensors on standard output. SIZES is a JSON array: the bytes of each
// input as the plan has them, so that a module that disagrees is an error and not an answer.

import { once } from "node:events";
import { pathToFileURL } from "node:url";

const [modulePath, sizesText] = process.argv.slice(2);
const { load } = await import(pathToFileURL(modulePath).href);
const model = await load();

const TYPES = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
};

const sizes = JSON.parse(sizesText);
const declared = model.inputs.map(({ dtype, elements }) => elements * TYPES[dtype].BYTES_PER_ELEMENT);
if (JSON.stringify(sizes) !== JSON.stringify(declared)) {
  throw new Error(`the module takes inputs of ${declared} bytes, and the plan says ${sizes}`);
}

const chunks = [];
for await (const chunk of process.stdin) {
  chunks.push(chunk);
}
const stream = Buffer.concat(chunks);
const size = sizes.reduce((sum, bytes) => sum + bytes, 0);
if (stream.length % size !== 0) {
  throw new Error(`standard input has ${stream.length} bytes, which is no multiple of ${size}`);
}

for (let offset = 0; offset < stream.length; ) {
  const inputs = model.inputs.map(({ dtype }, index) => {
    const start = stream.byteOffset + offset;
    offset += sizes[index];
    // A copy, since a typed array must begin at a multiple of its element's size.
    return new TYPES[dtype](stream.buffer.slice(start, start + sizes[index]));
  });
  for (const { buffer, byteOffset, byteLength } of model.invoke(...inputs)) {
    if (!process.stdout.write(new Uint8Array(buffer, byteOffset, byteLength))) {
      await once(process.stdout, "drain");
    }
  }
}
