// The test page: sends the form's request through the relay and shows the answer as it streams.
import { copyText } from "./copy.js";
import { readFrames } from "./frames.js";
import { addChunk, endAnswer, makeAnswer } from "./console_answer.js";
import { makeCurl, makePython } from "./console_code.js";
import { makeHistory } from "./console_history.js";
import { checkJson, encodeText, makeBody, makeHeaders, makeTarget } from "./console_request.js";
import { makePairs } from "./pairs.js";

const $ = (id) => document.getElementById(id);
const { name, url } = $("console").dataset;
const csrf = document.querySelector("meta[name=csrf]").content;
const editors = {
  query: makePairs($("query"), "Parameter"),
  headers: makePairs($("headers"), "Header"),
  form: makePairs($("form-fields"), "Field"),
  multipart: makePairs($("multipart-fields"), "Field", true),
};
const history = makeHistory(name, $("history-list"), $("history-clear"), writeRequest);
let going = null; // the exchange that is going on

function readRequest() {
  return {
    method: $("method").value.trim().toUpperCase() || "GET",
    path: $("path").value.trim() || "/",
    query: editors.query.read(),
    headers: editors.headers.read(),
    version: $("ask-version").value,
    kind: kindOf(),
    json: $("json").value,
    text: $("text").value,
    textType: $("text-type").value.trim(),
    form: editors.form.read(),
    multipart: editors.multipart.read(),
    file: $("file").files[0],
  };
}

function writeRequest(request) {
  $("method").value = request.method;
  $("path").value = request.path;
  for (const [key, editor] of Object.entries(editors)) editor.write(request[key]);
  $("json").value = request.json;
  $("text").value = request.text;
  $("text-type").value = request.textType;
  document.querySelector(`input[name=kind][value=${request.kind}]`).checked = true;
  showKind();
  showTarget();
}

function kindOf() {
  return document.querySelector("input[name=kind]:checked").value;
}

function showKind() {
  for (const part of document.querySelectorAll(".body-kind")) part.hidden = part.dataset.kind !== kindOf();
  const hasBody = kindOf() !== "none";
  if (hasBody && $("method").value === "GET") $("method").value = "POST";
  showJsonState();
}

function showTarget() {
  $("ask-url").textContent = url.replace(/\/$/, "") + makeTarget(readRequest());
}

function showJsonState() {
  const problem = checkJson($("json").value);
  $("json-state").textContent = problem ? `Not JSON: ${problem}` : "Valid JSON";
  $("json").toggleAttribute("aria-invalid", Boolean(problem));
  if (problem) $("json").setAttribute("aria-invalid", "true");
}

async function send() {
  stop();
  const request = readRequest();
  const exchange = { id: crypto.randomUUID?.() ?? String(Math.random()), ended: new AbortController(), began: performance.now() };
  going = exchange;
  showGoing(true);
  showProblem("");
  showStatus([["quiet", "Waiting for the answer…"]]);
  $("answer-said").textContent = "";
  try {
    const response = await relay(request, exchange);
    if (response.headers.has("X-Test-Refused")) refuse(await response.json());
    else if (!response.ok) throw new Error(response.status < 500 ? "Sign in again, then reload this page." : `The server answered ${response.status}.`);
    else await receive(request, exchange, response);
  } catch (error) {
    if (!exchange.ended.signal.aborted) refuse({ detail: error instanceof TypeError ? "The server is away. Try again when it is back." : error.message });
    else if (!exchange.answer) showStatus([["quiet", "Stopped before the answer began."]]);
  } finally {
    if (going === exchange) {
      going = null;
      showGoing(false);
    }
  }
}

async function relay(request, exchange) {
  const { blob, type } = await makeBody(request);
  const headers = {
    "X-CSRF-Token": csrf,
    "X-Serai-Live": "1",
    "X-Test-Id": exchange.id,
    "X-Test-Method": request.method,
    "X-Test-Path": encodeText(makeTarget(request)),
    "X-Test-Headers": encodeText(JSON.stringify(makeHeaders(request, type))),
    "X-Test-Version": request.version,
    "Content-Type": "application/octet-stream",
  };
  return fetch(`/d/${name}/test/send`, { method: "POST", headers, body: blob, signal: exchange.ended.signal });
}

async function receive(request, exchange, response) {
  let status = "";
  let firstByteMs = 0;
  let links = [];
  const say = (end) => showAnswerLine(status, firstByteMs, performance.now() - exchange.began, exchange.answer.bytes, end, links);
  const ticking = setInterval(() => exchange.answer && say("…"), 100);
  const take = {
    head(head) {
      status = `${head.status} ${head.reason}`.trim();
      firstByteMs = head.first_byte * 1000;
      links = linksOf(head);
      showHeaders(head.headers);
      exchange.answer = makeAnswer($("answer-body"), head.headers.find(([key]) => key.toLowerCase() === "content-type")?.[1] ?? "");
      $("answer-tools").hidden = false;
      showView();
      say("…");
    },
    piece: (bytes) => addChunk(exchange.answer, bytes),
  };
  const end = await readFrames(response.body, take).catch(() => null);
  clearInterval(ticking);
  if (!exchange.answer) throw new Error("The server broke off before the answer began.");
  const tookMs = performance.now() - exchange.began;
  const word = exchange.ended.signal.aborted ? "stopped" : !end || end.broke ? "broke off" : "";
  offer(endAnswer(exchange.answer), exchange.answer);
  say(word);
  $("answer-said").textContent = `${status}, ${exchange.answer.bytes} bytes in ${formatMs(tookMs)}${word ? `, ${word}` : ""}`;
  history.add(request, Number(status.split(" ")[0]), tookMs);
}

function stop() {
  if (!going) return;
  going.ended.abort();
  fetch(`/d/${name}/test/stop`, { method: "POST", headers: { "X-CSRF-Token": csrf, "X-Test-Id": going.id }, keepalive: true }).catch(() => {});
}

function refuse({ detail }) {
  showProblem(detail);
  showStatus([["quiet", "Nothing was answered."]]);
}

function offer(blob, answer) {
  const save = $("answer-save");
  if (save.href) URL.revokeObjectURL(save.href);
  save.href = URL.createObjectURL(blob);
  save.download = `${name}-answer`;
  $("answer-copy").onclick = () => copyText(answer.raw.textContent);
}

function showGoing(isGoing) {
  $("stop").hidden = !isGoing;
  $("send").hidden = isGoing;
  if (isGoing && document.activeElement === $("send")) $("stop").focus();
  if (!isGoing && document.activeElement === $("stop")) $("send").focus();
}

function showProblem(text) {
  $("ask-problem").textContent = text;
  $("ask-problem").hidden = !text;
}

// Where the request's trace is: its page here, and the tracer's where one is set up.
function linksOf({ trace_id: id, trace_url: url }) {
  if (!id) return [];
  return [["", "Trace", `/traces/${id}`], ...(url ? [["", "Open in the tracer", url]] : [])];
}

function showAnswerLine(status, firstByteMs, totalMs, bytes, end, links) {
  showStatus([
    [`answer-status status-${status[0]}`, status],
    ["", `first byte ${formatMs(firstByteMs)}`],
    ["", `total ${formatMs(totalMs)}`],
    ["", formatBytes(bytes)],
    ["quiet", end],
    ...links,
  ]);
}

function showStatus(parts) {
  $("answer-line").replaceChildren(...parts.filter(([, text]) => text).map(([css, text, href]) => {
    const part = document.createElement(href ? "a" : "span");
    part.className = css;
    part.textContent = text;
    if (href) Object.assign(part, { href, target: "_blank", rel: "noopener" });
    return part;
  }));
}

function showHeaders(headers) {
  const list = document.createElement("dl");
  for (const [key, value] of headers) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = key;
    text.textContent = value;
    list.append(term, text);
  }
  $("answer-headers").replaceChildren(list);
}

function showView() {
  const view = document.querySelector("input[name=view]:checked").value;
  const [pretty, raw] = $("answer-body").children;
  $("answer-headers").hidden = view !== "headers";
  $("answer-body").hidden = view === "headers";
  if (!raw) return;
  pretty.hidden = view !== "pretty";
  raw.hidden = view !== "raw";
}

function formatMs(ms) {
  return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function formatBytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 1024 ** 2 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / 1024 ** 2).toFixed(1)} MiB`;
}

async function copyAs(text) {
  await copyText(text);
  $("copy-state").textContent = "Copied";
  setTimeout(() => { $("copy-state").textContent = ""; }, 1500);
}

$("ask").addEventListener("submit", (event) => { event.preventDefault(); send(); });
$("ask").addEventListener("input", showTarget);
$("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(); }
});
$("stop").addEventListener("click", stop);
$("json").addEventListener("input", showJsonState);
$("json-tidy").addEventListener("click", () => {
  if (!checkJson($("json").value)) $("json").value = JSON.stringify(JSON.parse($("json").value), null, 2);
});
$("copy-curl").addEventListener("click", () => copyAs(makeCurl(url, readRequest())));
$("copy-python").addEventListener("click", () => copyAs(makePython(url, readRequest())));
for (const radio of document.querySelectorAll("input[name=kind]")) radio.addEventListener("change", showKind);
for (const radio of document.querySelectorAll("input[name=view]")) radio.addEventListener("change", showView);
showKind();
showTarget();
