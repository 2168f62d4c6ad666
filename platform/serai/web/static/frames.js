// The answer of the relay in frames, put together again from however the network cut them.

const HEAD = 5; // a byte of kind, four of length
const decoder = new TextDecoder();

// Calls `take.head(object)`, `take.piece(bytes)` as they come; returns the end's object, or null where it never came.
export async function readFrames(stream, take) {
  const reader = stream.getReader();
  let rest = new Uint8Array();
  let end = null;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    rest = join(rest, part.value);
    for (let size = sizeOf(rest); rest.length >= size; size = sizeOf(rest)) {
      const data = rest.subarray(HEAD, size);
      switch (String.fromCharCode(rest[0])) {
        case "h": take.head(JSON.parse(decoder.decode(data))); break;
        case "p": take.piece(data.slice()); break;
        default: end = JSON.parse(decoder.decode(data));
      }
      rest = rest.subarray(size);
    }
  }
  return end;
}

function sizeOf(bytes) {
  if (bytes.length < HEAD) return Infinity;
  return HEAD + new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
}

function join(left, right) {
  if (!left.length) return right;
  const whole = new Uint8Array(left.length + right.length);
  whole.set(left);
  whole.set(right, left.length);
  return whole;
}
