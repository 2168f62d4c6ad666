// Follows the server: waits for a change, fetches this very page again and puts in what differs.
import { morph } from "./morph.js";

const WAIT_S = 10;
const LONGEST_PAUSE_MS = 5000;
const LEAST_MS = 250; // between two updates, however fast things change

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function startLive() {
  const main = document.querySelector("main");
  forgetNote();
  if (main.hasAttribute("data-live")) follow(main);
}

async function follow(main) {
  let failures = 0;
  while (main.hasAttribute("data-live")) {
    await whenVisible();
    try {
      const isNews = await waitForNews(main);
      if (isNews || main.hasAttribute("data-every") || failures) await update(main);
      failures = 0;
      showAway(false);
      await pause(LEAST_MS);
    } catch (error) {
      if (error instanceof Hidden) continue;
      failures += 1;
      if (failures > 1) showAway(true); // one broken read is no news: a server restarts faster than people read
      else noteAway();
      await pause(Math.min(LONGEST_PAUSE_MS, 250 * 2 ** failures));
    }
  }
}

class Hidden extends Error {}

async function waitForNews(main) {
  const { topic, index } = main.dataset;
  const began = Date.now();
  const answer = await fetchOurs(`/live?topic=${encodeURIComponent(topic)}&index=${index}&wait=${WAIT_S}`);
  const isNews = String((await answer.json()).index) !== index;
  // A server with no place left to hold us answers at once: then ask more slowly.
  if (!isNews && Date.now() - began < 1000) await pause(3000);
  return isNews;
}

async function update(main) {
  const response = await fetchOurs(location.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector("main");
  if (!fresh) throw new Error("not a page");
  document.title = page.title;
  morph(main, fresh);
  document.dispatchEvent(new CustomEvent("serai:fresh"));
}

// Tabs in the background hold no connection: browsers allow six to a server, and the server has other callers.
async function fetchOurs(address) {
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), (WAIT_S + 10) * 1000);
  const hide = () => document.hidden && ended.abort(new Hidden());
  document.addEventListener("visibilitychange", hide);
  try {
    const response = await fetch(address, { headers: { "X-Serai-Live": "1" }, signal: ended.signal, cache: "no-store" });
    if (response.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    if (response.status === 401 || response.status >= 500) throw new Error(`status ${response.status}`);
    return response;
  } finally {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", hide);
  }
}

function whenVisible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true })).then(whenVisible);
}

let awaySince = null;

function noteAway() {
  awaySince ??= new Date();
}

function showAway(isAway) {
  const bar = document.getElementById("away");
  if (!isAway) {
    awaySince = null;
    if (bar.textContent) bar.textContent = "";
    return;
  }
  noteAway();
  const at = awaySince.toLocaleTimeString([], { hour12: false });
  const text = `Server away since ${at}. This page goes on by itself when it is back.`;
  if (bar.textContent !== text) bar.textContent = text;
}

// What a form's redirect says is said once: not again after a reload, nor for ever.
function forgetNote() {
  const address = new URL(location.href);
  if (!address.searchParams.has("note")) return;
  address.searchParams.delete("note");
  history.replaceState(history.state, "", address);
  setTimeout(() => document.getElementById("note")?.remove(), 8000);
}
