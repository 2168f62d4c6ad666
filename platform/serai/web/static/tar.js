// Packs files into the very bytes that `serai deploy` makes of the same folder, so that both give the same bundle:
// a tar with pax headers, no owners and times, folders before what they hold; gzip without compression, as compressed
// bytes depend on the browser.

const BLOCK = 512;
const PIECE = 4 * 1024 * 1024;
const encoder = new TextEncoder();

// `files`: [{path, file}] and `folders`: [path], relative with slashes. Returns a Blob; `onProgress(done, total)` in bytes.
export async function packFiles(files, folders, onProgress) {
  const entries = [...files, ...folders.map((path) => ({ path, file: null }))].sort(byPath);
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  const packed = new StoredGzip();
  let done = 0;
  for (const { path, file } of entries) {
    packed.write(await makeHeaders(path, file));
    for (let at = 0; file && at < file.size; at += PIECE) {
      const piece = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
      packed.write(piece);
      done += piece.length;
      onProgress(done, total);
    }
    if (file) packed.write(new Uint8Array((BLOCK - (file.size % BLOCK)) % BLOCK));
  }
  packed.write(new Uint8Array(2 * BLOCK));
  return packed.close();
}

function byPath(a, b) {
  const [left, right] = [a.path.split("/"), b.path.split("/")];
  for (let place = 0; place < Math.min(left.length, right.length); place += 1) {
    const order = compareBytes(encoder.encode(left[place]), encoder.encode(right[place]));
    if (order) return order;
  }
  return left.length - right.length;
}

function compareBytes(left, right) {
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) if (left[at] !== right[at]) return left[at] - right[at];
  return left.length - right.length;
}

async function makeHeaders(path, file) {
  const name = file ? path : `${path}/`;
  const mode = !file || (await isScript(file)) ? 0o755 : 0o644;
  const header = makeHeader(toAscii(name), file?.size ?? 0, mode, file ? "0" : "5");
  if (/^[\0-\x7f]{0,100}$/.test(name)) return header;
  const record = makeRecord("path", name);
  const padded = new Uint8Array(Math.ceil(record.length / BLOCK) * BLOCK);
  padded.set(record);
  return joined([makeHeader(encoder.encode("././@PaxHeader"), record.length, 0, "x"), padded, header]);
}

// A browser cannot tell what may be executed; what names its interpreter is meant to be.
async function isScript(file) {
  return (await file.slice(0, 2).text()) === "#!";
}

function toAscii(name) {
  return encoder.encode([...name].map((letter) => (letter > "\x7f" ? "?" : letter)).join("").slice(0, 100));
}

// `<length> path=<value>\n`, the length counting its own digits.
function makeRecord(key, value) {
  const rest = encoder.encode(` ${key}=${value}\n`);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return joined([encoder.encode(String(length)), rest]);
}

function makeHeader(name, size, mode, type) {
  const header = new Uint8Array(BLOCK);
  const octal = (at, digits, value) => header.set(encoder.encode(value.toString(8).padStart(digits, "0")), at);
  header.set(name, 0);
  octal(100, 7, mode);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, size);
  octal(136, 11, 0);
  header.fill(32, 148, 156);
  header[156] = type.charCodeAt(0);
  header.set(encoder.encode("ustar\0" + "00"), 257);
  octal(148, 6, header.reduce((sum, byte) => sum + byte, 0));
  header[154] = 0;
  return header;
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const STORED = 65535; // the most a block of deflate holds uncompressed

class StoredGzip {
  #parts = [new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])];
  #rest = new Uint8Array();
  #sum = 0xffffffff;
  #size = 0;

  write(data) {
    this.#sum = addToSum(this.#sum, data);
    this.#size += data.length;
    const waiting = joined([this.#rest, data]);
    let start = 0;
    for (; waiting.length - start > STORED; start += STORED) this.#block(waiting.subarray(start, start + STORED), 0);
    this.#rest = waiting.slice(start);
  }

  close() {
    this.#block(this.#rest, 1);
    const end = new DataView(new ArrayBuffer(8));
    end.setUint32(0, ~this.#sum >>> 0, true);
    end.setUint32(4, this.#size % 2 ** 32, true);
    return new Blob([...this.#parts, end.buffer], { type: "application/gzip" });
  }

  #block(data, isLast) {
    const head = new DataView(new ArrayBuffer(5));
    head.setUint8(0, isLast);
    head.setUint16(1, data.length, true);
    head.setUint16(3, data.length ^ 0xffff, true);
    this.#parts.push(head.buffer, data);
  }
}

const SUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  return sum;
});

function addToSum(sum, data) {
  let now = sum;
  for (let at = 0; at < data.length; at += 1) now = SUMS[(now ^ data[at]) & 0xff] ^ (now >>> 8);
  return now;
}

export async function digestOf(blob) {
  const hash = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  return `sha256:${[...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
