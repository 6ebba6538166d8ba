// Splits a GGUF file in two, as llama.cpp's gguf-split does: all metadata in the first shard, half of
// the tensors in each, split.no / split.count / split.tensors.count in both.
const sizes = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };  // of value types
const kString = 8, kArray = 9, kU16 = 2, kI32 = 5;
const alignment = 32;

class Reader {
  constructor(bytes) { Object.assign(this, { bytes, at: 0 }); }
  u32() { return this.bytes.readUInt32LE((this.at += 4) - 4); }
  u64() { return Number(this.bytes.readBigUInt64LE((this.at += 8) - 8)); }
  string() { const n = this.u64(); return this.bytes.toString('utf8', this.at, (this.at += n)); }
  skipValue(type) {
    if (type === kString) return void this.string();
    if (type !== kArray) return void (this.at += sizes[type]);
    const element = this.u32();
    for (let n = this.u64(); n > 0; --n) this.skipValue(element);
  }
}

const u32 = (value) => { const bytes = Buffer.alloc(4); bytes.writeUInt32LE(value); return bytes; };
const u64 = (value) => { const bytes = Buffer.alloc(8); bytes.writeBigUInt64LE(BigInt(value)); return bytes; };
const string = (text) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);
const padded = (n) => Math.ceil(n / alignment) * alignment;

function splitKeys(number, nTensors) {
  const u16 = (value) => { const bytes = Buffer.alloc(2); bytes.writeUInt16LE(value); return bytes; };
  return Buffer.concat([
    string('split.no'), u32(kU16), u16(number), string('split.count'), u32(kU16), u16(2),
    string('split.tensors.count'), u32(kI32), u32(nTensors)]);
}

function shard(keys, nKeys, tensors) {
  let offset = 0;
  const infos = tensors.map(({ name, shape, data }) => {
    const info = Buffer.concat([string(name), shape, u64(offset)]);
    offset += padded(data.length);
    return info;
  });
  const head = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(nKeys), keys, ...infos]);
  const pad = (bytes) => Buffer.concat([bytes, Buffer.alloc(padded(bytes.length) - bytes.length)]);
  return Buffer.concat([pad(head), ...tensors.map(({ data }) => pad(data))]);
}

export function splitGguf(bytes) {
  const reader = new Reader(bytes);
  reader.at = 8;
  const nTensors = reader.u64(), nKeys = reader.u64(), firstKey = reader.at;
  for (let i = 0; i < nKeys; ++i) {
    reader.string();
    reader.skipValue(reader.u32());
  }
  const keys = bytes.subarray(firstKey, reader.at);
  const tensors = [];
  for (let i = 0; i < nTensors; ++i) {
    const name = reader.string(), begin = reader.at, nDimensions = reader.u32();
    reader.at += 8 * nDimensions + 4;
    tensors.push({ name, shape: bytes.subarray(begin, reader.at), offset: reader.u64() });
  }
  const data = bytes.subarray(padded(reader.at));
  const ends = tensors.map(({ offset }) => offset).concat(data.length).sort((a, b) => a - b);
  for (const tensor of tensors) tensor.data = data.subarray(tensor.offset, ends.find((end) => end > tensor.offset));
  const half = nTensors >> 1;
  return [
    shard(Buffer.concat([keys, splitKeys(0, nTensors)]), nKeys + 3, tensors.slice(0, half)),
    shard(splitKeys(1, nTensors), 3, tensors.slice(half))];
}
