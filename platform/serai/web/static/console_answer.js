// Shows an answer while it arrives: text as it comes, events one a line, JSON laid out at the end, images and sound.
import { drawJson } from "./json_view.js";
import { makeEvents } from "./sse.js";

const MOST_TEXT = 1024 * 1024; // more is kept for saving but not shown: the page has to stay quick
const MOST_PRETTY = 2 * 1024 * 1024;

export function makeAnswer(body, type) {
  const kind = kindOf(type);
  const pretty = document.createElement("div");
  const raw = document.createElement("pre");
  raw.hidden = true;
  body.replaceChildren(pretty, raw);
  body.scrollTop = 0;
  const answer = { body, pretty, raw, kind, type, chunks: [], bytes: 0, shown: 0, began: performance.now(), decoder: new TextDecoder() };
  answer.live = kind === "text" || kind === "json" ? pretty.appendChild(document.createElement("pre")) : null;
  answer.events = kind === "sse" ? makeEvents(pretty) : null;
  return answer;
}

function kindOf(type) {
  const plain = type.split(";")[0].trim().toLowerCase();
  if (plain === "text/event-stream") return "sse";
  if (/^application\/(.+\+)?json$/.test(plain)) return "json";
  if (/^(image|audio|video)\//.test(plain) && plain !== "image/svg+xml") return plain.split("/")[0];
  if (!plain || /^text\/|(\+|\/)(xml|yaml|x-yaml|javascript|x-ndjson|jsonl|x-www-form-urlencoded)$/.test(plain)) return "text";
  return "binary";
}

export function addChunk(answer, chunk) {
  answer.chunks.push(chunk);
  answer.bytes += chunk.length;
  if (!["text", "json", "sse"].includes(answer.kind)) return;
  // What is there at once is read from its beginning; what streams is followed, unless the reader has gone up.
  const isStream = performance.now() - answer.began > 300;
  const isAtEnd = isStream && answer.body.scrollHeight - answer.body.scrollTop - answer.body.clientHeight < 40;
  showText(answer, answer.decoder.decode(chunk, { stream: true }));
  if (isAtEnd) answer.body.scrollTop = answer.body.scrollHeight;
}

function showText(answer, text) {
  answer.events?.add(text);
  if (answer.shown > MOST_TEXT) return;
  answer.shown += text.length;
  answer.raw.append(text);
  answer.live?.append(text);
}

// Draws what can be drawn only now that all is there, and returns the whole answer.
export function endAnswer(answer) {
  const blob = new Blob(answer.chunks, { type: answer.type || "application/octet-stream" });
  if (answer.kind === "json") layOut(answer);
  else if (answer.kind === "image") showMedia(answer, "img", blob);
  else if (answer.kind === "audio" || answer.kind === "video") showMedia(answer, answer.kind, blob);
  else if (answer.kind === "binary") showBytes(answer);
  if (answer.shown > MOST_TEXT) answer.pretty.append(remark("Shown up to 1 MiB; Save has all of it."));
  if (!answer.bytes) answer.pretty.replaceChildren(remark("The answer has no body."));
  return blob;
}

function layOut(answer) {
  if (answer.bytes > MOST_PRETTY) return;
  try {
    answer.live.replaceChildren(drawJson(JSON.parse(answer.raw.textContent)));
  } catch {
    answer.pretty.prepend(remark("It says it is JSON but is not."));
  }
}

function showMedia(answer, name, blob) {
  const element = document.createElement(name);
  element.src = URL.createObjectURL(blob);
  if (name === "img") element.alt = "The answer as an image";
  else element.controls = true;
  answer.pretty.replaceChildren(element);
  answer.raw.textContent = dump(answer.chunks);
}

function showBytes(answer) {
  const first = document.createElement("pre");
  first.textContent = dump(answer.chunks);
  answer.pretty.replaceChildren(remark(`${answer.type || "Bytes"}: the first of them.`), first);
  answer.raw.textContent = first.textContent;
}

// The first 512 bytes, sixteen a line.
function dump(chunks) {
  const bytes = [];
  for (const chunk of chunks) {
    bytes.push(...chunk.subarray(0, 512 - bytes.length));
    if (bytes.length >= 512) break;
  }
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = bytes.slice(at, at + 16);
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = part.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}

function remark(text) {
  const line = document.createElement("p");
  line.className = "quiet";
  line.textContent = text;
  return line;
}
