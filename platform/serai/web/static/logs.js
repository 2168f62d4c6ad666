// The live log: follows the API's stream, keeps the newest lines, searches, wraps, stays where the reader is.
import { timeOfDay } from "./clock.js";

const MOST_LINES = 4000;
const FIRST_LINES = 1000;
const ERROR = /\b(?:ERROR|CRITICAL|FATAL|PANIC|Traceback|Exception|\w+Error)\b|\bpanic:|\berror:/;
const WARNING = /\b(?:WARN|WARNING|warning:)/;

const box = document.getElementById("log");
if (box) start(box, document.getElementById("log-state"));

function start(box, state) {
  const search = document.getElementById("log-search");
  const wrap = document.getElementById("log-wrap");
  const follow = document.getElementById("log-follow");
  const view = { box, state, waiting: [], isFirst: true, hasEnded: false, matches: () => true };
  view.isFollowing = () => !follow || follow.checked;
  wrap?.addEventListener("change", () => box.classList.toggle("no-wrap", !wrap.checked));
  search?.addEventListener("input", () => applySearch(view, search.value));
  follow?.addEventListener("change", () => follow.checked && toEnd(box));
  box.addEventListener("scroll", () => { if (follow) follow.checked = isAtEnd(box); });
  for (const time of box.querySelectorAll("time")) time.textContent = timeOfDay(new Date(time.dateTime));
  toEnd(box);
  connect(view);
}

function connect(view) {
  const { source, replica, stream, since, until, grep } = view.box.dataset;
  const query = new URLSearchParams({ follow: "1", tail: String(FIRST_LINES) });
  for (const [key, value] of Object.entries({ replica, stream, since, until, grep })) if (value) query.set(key, value);
  const events = new EventSource(`${source}?${query}`);
  events.onopen = () => say(view, "");
  events.onmessage = (event) => take(view, JSON.parse(event.data));
  events.addEventListener("end", () => { view.hasEnded = true; events.close(); flushSoon(view); });
  events.onerror = () => {
    say(view, events.readyState === EventSource.CLOSED ? "The log cannot be followed now; reload to try again." : "Reconnecting…");
    if (events.readyState === EventSource.CLOSED) setTimeout(() => reconnect(view, events), 5000);
  };
  // A tab in the background gives its connection back.
  document.addEventListener("visibilitychange", function hide() {
    if (!document.hidden) return;
    document.removeEventListener("visibilitychange", hide);
    events.close();
    document.addEventListener("visibilitychange", () => reconnect(view, events), { once: true });
  });
  setTimeout(() => flushSoon(view), 400); // an empty log says so
}

function reconnect(view, events) {
  events.close();
  if (view.hasEnded) return;
  view.isFirst = true;
  view.waiting = [];
  connect(view);
}

function take(view, line) {
  view.waiting.push(line);
  flushSoon(view);
}

function flushSoon(view) {
  view.frame ??= requestAnimationFrame(() => {
    view.frame = undefined;
    flush(view);
  });
}

function flush(view) {
  const { box } = view;
  const wasAtEnd = view.isFollowing() && (isAtEnd(box) || view.isFirst);
  const lines = view.waiting.splice(0).slice(-MOST_LINES).map((line) => makeLine(view, line));
  if (view.isFirst && lines.length) box.replaceChildren(...lines); // what the server drew comes again in the stream
  else box.append(...lines);
  view.isFirst &&= !lines.length;
  while (box.childElementCount > MOST_LINES) box.firstElementChild.remove();
  if (wasAtEnd) toEnd(box);
  say(view, view.hasEnded ? (box.childElementCount ? "The end: no replica is alive." : "No line was kept.") : box.childElementCount ? "" : "No line yet.");
}

function makeLine(view, { at, replica, stream, text }) {
  const line = document.createElement("div");
  const level = ERROR.test(text) ? "error" : WARNING.test(text) ? "warning" : stream === "system" ? "system" : "";
  line.className = level ? `line line-${level}` : "line";
  const time = document.createElement("time");
  time.dateTime = at;
  time.textContent = timeOfDay(new Date(at));
  line.append(time);
  if (!view.box.dataset.replica) line.append(span("line-replica", shorten(replica, view.box.dataset.workload), replica));
  line.append(span("line-text", text));
  line.hidden = !view.matches(text);
  return line;
}

function shorten(replica, workload) {
  return (replica.startsWith(workload) ? replica.slice(workload.length).replace(/^[-._]+/, "") : replica) || replica;
}

function span(css, text, title = "") {
  const element = document.createElement("span");
  element.className = css;
  element.textContent = text;
  if (title) element.title = title;
  return element;
}

function applySearch(view, words) {
  const { matches, problem } = makeMatcher(words.trim());
  view.matches = matches;
  let shown = 0;
  for (const line of view.box.children) {
    line.hidden = !matches(line.querySelector(".line-text").textContent);
    if (!line.hidden) shown += 1;
  }
  say(view, problem || (words.trim() ? `${shown} of ${view.box.childElementCount} lines` : ""));
  if (view.isFollowing()) toEnd(view.box);
}

// `/expression/` is one, anything else is text in capitals or not.
function makeMatcher(words) {
  const expression = /^\/(.+)\/$/.exec(words);
  if (!expression) {
    const wanted = words.toLowerCase();
    return { matches: (text) => text.toLowerCase().includes(wanted) };
  }
  try {
    const pattern = new RegExp(expression[1], "i");
    return { matches: (text) => pattern.test(text) };
  } catch (error) {
    return { matches: () => true, problem: error.message };
  }
}

function say(view, text) {
  if (view.state.textContent !== text) view.state.textContent = text;
}

function isAtEnd(box) {
  return box.scrollHeight - box.scrollTop - box.clientHeight < 30;
}

function toEnd(box) {
  box.scrollTop = box.scrollHeight;
}
