// A trained CASIA-Net in plain JavaScript: ten convolutions, a mean, and a layer per side task.
//
// Batch normalisation is folded into the convolutions, so a network is about 100,000 numbers and a
// picture some eleven million products, which loops do in 10 to 30 ms. A runtime for networks of
// every kind would be a hundred times the size of this page's weights.

import { load } from "./tensors.js";

export const SIDE = 48;
export const SIDE_TASKS = ["pos", "illum", "exp"];
const BLOCKS = 5;

// Grey levels brought to mean 0 and deviation 1, as in training: brightness tells nothing of people.
function standardised(grey) {
  const mean = grey.reduce((sum, v) => sum + v, 0) / grey.length;
  const variance = grey.reduce((sum, v) => sum + (v - mean) ** 2, 0) / grey.length;
  // the 1 keeps an empty picture finite
  return Float32Array.from(grey, (v) => (v - mean) / (Math.sqrt(variance) + 1));
}

// A 3x3 convolution with a border of zeros: maps (I, H, W) -> (O, H, W).
function convolve({ values, channels, side }, weight, bias, rectified) {
  const outputs = bias.values.length;
  const wide = side + 2;
  // with the border written out, the inner loop has no condition
  const padded = new Float32Array(channels * wide * wide);
  for (let c = 0; c < channels; c += 1) {
    for (let y = 0; y < side; y += 1) {
      const from = (c * side + y) * side;
      padded.set(values.subarray(from, from + side), (c * wide + y + 1) * wide + 1);
    }
  }
  const out = new Float32Array(outputs * side * side);
  const row = new Float32Array(side);
  for (let o = 0; o < outputs; o += 1) {
    for (let y = 0; y < side; y += 1) {
      row.fill(bias.values[o]);
      for (let c = 0; c < channels; c += 1) {
        const w = (o * channels + c) * 9;
        for (let dy = 0; dy < 3; dy += 1) {
          const a = weight.values[w + 3 * dy];
          const b = weight.values[w + 3 * dy + 1];
          const d = weight.values[w + 3 * dy + 2];
          const p = (c * wide + y + dy) * wide;
          for (let x = 0; x < side; x += 1) {
            row[x] += a * padded[p + x] + b * padded[p + x + 1] + d * padded[p + x + 2];
          }
        }
      }
      if (rectified) for (let x = 0; x < side; x += 1) row[x] = Math.max(row[x], 0);
      out.set(row, (o * side + y) * side);
    }
  }
  return { values: out, channels: outputs, side };
}

// The maximum of each 2x2 square, and at least zero: (C, H, W) -> (C, ceil(H/2), ceil(W/2)).
function halve({ values, channels, side }) {
  const half = Math.ceil(side / 2);
  const out = new Float32Array(channels * half * half);
  for (let c = 0; c < channels; c += 1) {
    for (let y = 0; y < side; y += 1) {
      for (let x = 0; x < side; x += 1) {
        const at = (c * half + (y >> 1)) * half + (x >> 1);
        out[at] = Math.max(out[at], values[(c * side + y) * side + x]);
      }
    }
  }
  return { values: out, channels, side: half };
}

function meanOfMaps({ values, channels, side }) {
  const area = side * side;
  const x = new Float64Array(channels);
  for (let c = 0; c < channels; c += 1) {
    for (let k = 0; k < area; k += 1) x[c] += values[c * area + k] / area;
  }
  return x;
}

function linear(x, weight, bias) {
  return Array.from(bias.values, (start, k) => {
    let sum = start;
    for (let d = 0; d < x.length; d += 1) sum += weight.values[k * x.length + d] * x[d];
    return sum;
  });
}

export function softmax(logits) {
  const most = Math.max(...logits);
  const e = logits.map((v) => Math.exp(v - most));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

export function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let d = 0; d < a.length; d += 1) {
    dot += a[d] * b[d];
    aa += a[d] * a[d];
    bb += b[d] * b[d];
  }
  return dot / Math.sqrt(aa * bb);
}

export class Network {
  constructor({ tensors, metadata }) {
    this.tensors = tensors;
    this.trained = JSON.parse(metadata.trained);
    // side tasks that no head was trained for; a regression reads them off x
    this.read = JSON.parse(metadata["read by a regression"]);
  }

  static async load(url) {
    return new Network(await load(url));
  }

  // Grey levels 0 to 255 of one picture, (SIDE * SIDE,), to x (D,) and the logits of each side task.
  answer(grey) {
    let maps = { values: standardised(grey), channels: 1, side: SIDE };
    const layer = (name) => [this.tensors[`${name}.weight`], this.tensors[`${name}.bias`]];
    for (let block = 0; block < BLOCKS; block += 1) {
      const last = block === BLOCKS - 1;
      maps = convolve(maps, ...layer(`block${block}.conv1`), true);
      maps = convolve(maps, ...layer(`block${block}.conv2`), false);
      if (!last) maps = halve(maps);
    }
    const x = meanOfMaps(maps);
    const logits = Object.fromEntries(SIDE_TASKS.map((task) => [task, linear(x, ...layer(task))]));
    return { x, logits };
  }
}
