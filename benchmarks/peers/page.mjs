// Contenders by name, each an async function that runs n inferences; browser.py calls them in
// turns. Every one has its input set once, outside the clock, but for Anvil's and LiteRT.js's,
// whose calls take it.

const contenders = {};

function randomInts(n) {
  let state = 1;
  return Int8Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

const toReal = (ints) => Float32Array.from(ints, (value) => value / 128);

async function prepareAnvil(url) {
  const { load } = await import(url);
  const model = await load();
  const [{ dtype, elements }] = model.inputs;
  const ints = randomInts(elements);
  const input = dtype === "int8" ? ints : toReal(ints);
  contenders.Anvil = async (n) => {
    for (let k = 0; k < n; k++) {
      model.invoke(input);
    }
  };
  return Array.from(model.invoke(input)[0]);
}

async function prepareTfjs(url) {
  const { tflite } = globalThis;
  tflite.setWasmPath("/npm/@tensorflow/tfjs-tflite/wasm/");
  const { modelRunner } = await tflite.loadTFLiteModel(url, { numThreads: 1 });
  const data = modelRunner.getInputs()[0].data();
  data.set(randomInts(data.length));
  contenders["tfjs-tflite"] = async (n) => {
    for (let k = 0; k < n; k++) {
      modelRunner.infer();
    }
  };
  if (!modelRunner.infer()) {
    throw new Error("tfjs-tflite cannot run the model");
  }
  return Array.from(modelRunner.getOutputs()[0].data());
}

async function prepareLiteRt(url) {
  const { loadLiteRt, loadAndCompile, Tensor } = await import("@litertjs/core");
  globalThis.liteRt ??= loadLiteRt("/npm/@litertjs/core/wasm/");
  await globalThis.liteRt;
  const options = { accelerator: "wasm", cpuOptions: { numThreads: 1 } };
  const model = await loadAndCompile(url, options);
  const [{ shape }] = model.getInputDetails();
  const elements = shape.reduce((product, extent) => product * extent, 1);
  const input = new Tensor(toReal(randomInts(elements)), Array.from(shape));
  const run = async () => {
    const outputs = await model.run(input);
    const values = outputs[0].toTypedArray();
    outputs.forEach((output) => output.delete());
    return values;
  };
  contenders["LiteRT.js"] = async (n) => {
    for (let k = 0; k < n; k++) {
      await run();
    }
  };
  return Array.from(await run());
}

const PREPARE = { Anvil: prepareAnvil, "tfjs-tflite": prepareTfjs, "LiteRT.js": prepareLiteRt };

/** Loads a model for a contender; its first output for the one input that all have. */
globalThis.prepare = (name, url) => PREPARE[name](url);

/** Nanoseconds of one of n inferences. */
globalThis.turn = async (name, n) => {
  const start = performance.now();
  await contenders[name](n);
  return ((performance.now() - start) * 1e6) / n;
};

globalThis.isReady = true;
