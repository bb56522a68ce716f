// Arrays by name out of a .safetensors file: eight bytes of length, a header in JSON, the numbers.

const KINDS = {
  F32: Float32Array,
  F16: Uint16Array,
  I16: Int16Array,
  I8: Int8Array,
  U16: Uint16Array,
  U8: Uint8Array,
};

// Half precision has 1 bit of sign, 5 of exponent and 10 of fraction.
export function halves(bits) {
  return Float32Array.from(bits, (b) => {
    const sign = b & 0x8000 ? -1 : 1;
    const exponent = (b >> 10) & 31;
    const fraction = b & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

export function parse(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(entries)) {
    if (8 + length + end > buffer.byteLength) throw new Error(`${name}: the file is cut short`);
    const values = new KINDS[dtype](buffer.slice(8 + length + begin, 8 + length + end));
    tensors[name] = { shape, values: dtype === "F16" ? halves(values) : values };
  }
  return { tensors, metadata };
}

export async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return parse(await answer.arrayBuffer());
}
