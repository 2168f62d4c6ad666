// Keeps every <time> true: ages grow, instants are told in the reader's own time zone.

// Making a formatter takes longer than a hundred uses of it.
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-US", { month: "short", day: "2-digit" });
const DATE = { year: "numeric", month: "numeric", day: "numeric" };
const WHOLE = new Intl.DateTimeFormat(undefined, { ...DATE, hour: "numeric", minute: "numeric", second: "numeric" });

const UNITS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [Infinity, 86400, "d"]];

export function span(seconds) {
  const [, unit, word] = UNITS.find(([limit]) => seconds < limit);
  return `${Math.floor(seconds / unit)} ${word}`;
}

export function timeOfDay(at, now = new Date()) {
  const clock = CLOCK.format(at);
  if (at.toDateString() === now.toDateString()) return clock;
  return `${DAY.format(at)} ${clock.slice(0, 5)}`;
}

export function startClocks() {
  const ahead = Date.parse(document.body.dataset.now) - Date.now(); // by how much the server's clock is ahead
  const write = () => writeAll(Date.now() + ahead);
  write();
  setInterval(write, 1000);
  document.addEventListener("serai:fresh", write);
}

function writeAll(nowMs) {
  for (const time of document.querySelectorAll("time[data-ago], time[data-age], time[data-clock]")) {
    const text = words(time, nowMs);
    if (time.textContent !== text) time.textContent = text;
    const title = WHOLE.format(new Date(time.dateTime));
    if (time.title !== title) time.title = title;
  }
}

function words(time, nowMs) {
  const at = new Date(time.dateTime);
  if (time.hasAttribute("data-clock")) return timeOfDay(at, new Date(nowMs));
  const age = span(Math.max(0, (nowMs - at) / 1000));
  if (time.hasAttribute("data-age")) return age;
  return age === "0 s" ? "now" : `${age} ago`;
}
