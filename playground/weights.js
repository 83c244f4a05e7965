// Packed weights back to numbers. playground/pack.py says how they were packed.

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ARRAYS = { f8: Float64Array, i1: Int8Array, i2: Int16Array };

class DamagedWeights extends Error {}

/** The bytes of a text in base64. */
function fromBase64(text) {
  const value = new Uint8Array(128).fill(255);
  for (let i = 0; i < 64; i += 1) value[BASE64.charCodeAt(i)] = i;
  const length = text.length - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let bits = 0;
  let kept = 0;
  let at = 0;
  for (let i = 0; i < length; i += 1) {
    const six = value[text.charCodeAt(i) & 127];
    if (six > 63) throw new DamagedWeights("a sign that is no base64");
    bits = ((bits << 6) | six) & 0xffff;
    kept += 6;
    if (kept >= 8) {
      kept -= 8;
      bytes[at] = bits >> kept;
      at += 1;
    }
  }
  return bytes;
}

/** The checksum that zlib.crc32 gives. */
function crc32(bytes) {
  const table = Int32Array.from({ length: 256 }, (_, i) => {
    let c = i;
    for (let bit = 0; bit < 8; bit += 1) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    return c;
  });
  let crc = -1;
  for (const byte of bytes) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

/** The value of each of the 65,536 numbers of half precision. */
const HALVES = Float32Array.from({ length: 65536 }, (_, half) => {
  const sign = half >> 15 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
});

/** {meta, bytes, tensors} of what a pack's text holds; DamagedWeights for anything else. */
function unpack(content) {
  const parts = content && content.meta && content.tensors;
  if (!parts || typeof content.data !== "string") {
    throw new DamagedWeights("a part is missing");
  }
  const bytes = fromBase64(content.data);
  if (crc32(bytes) !== content.crc32) throw new DamagedWeights("the checksum is wrong");
  return { meta: content.meta, bytes, tensors: content.tensors, read: new Map() };
}

/** unpack for the text of a page's element; DamagedWeights where it is not JSON. */
function unpackText(text) {
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    throw new DamagedWeights("it is not whole");
  }
  return unpack(content);
}

/** {shape, values} of a tensor by its name; it is read when it is first asked for. */
function tensor(pack, name) {
  if (!pack.read.has(name)) {
    if (!pack.tensors[name]) throw new DamagedWeights(`${name} is missing`);
    pack.read.set(name, readTensor(pack, ...pack.tensors[name]));
  }
  return pack.read.get(name);
}

function readTensor(pack, kind, shape, offset) {
  const n = shape.reduce((a, b) => a * b, 1);
  const { buffer } = pack.bytes;
  const values =
    kind === "f2"
      ? Float32Array.from(new Uint16Array(buffer, offset, n), (half) => HALVES[half])
      : new ARRAYS[kind](buffer, offset, n);
  return { shape, values };
}

/** Row i of a tensor, as a view that ends with the row. */
function row({ shape, values }, i) {
  const width = values.length / shape[0];
  return values.subarray(i * width, (i + 1) * width);
}
