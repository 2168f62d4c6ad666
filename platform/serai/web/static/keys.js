// The keyboard: rows with j/k or arrows, Enter opens, / searches, g and a letter goes to a page, ? shows them.

const PAGES = { o: "", v: "/versions", m: "/metrics", l: "/logs", t: "/test", s: "/settings" };
const TYPING = "input, textarea, select, [contenteditable]";
let isGoing = false;

export function startKeys() {
  const help = document.getElementById("keys");
  const opener = document.getElementById("keys-open");
  if (!help) return;
  opener.addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const isTyping = event.target.matches?.(TYPING);
    if (isTyping && !(event.key === "ArrowDown" && event.target.id === "filter")) return;
    if (act(event, help)) event.preventDefault();
  });
}

function act(event, help) {
  if (isGoing) return go(event.key);
  switch (event.key) {
    case "?": help.showModal(); return true;
    case "/": return focusSearch();
    case "j": case "ArrowDown": return move(1);
    case "k": case "ArrowUp": return move(-1);
    case "g": isGoing = true; setTimeout(() => { isGoing = false; }, 1500); return true;
    default: return false;
  }
}

function focusSearch() {
  const field = document.querySelector("#filter, #log-search, #path");
  field?.focus();
  field?.select();
  return Boolean(field);
}

function go(key) {
  isGoing = false;
  const name = document.querySelector("main").dataset.name;
  if (key === "d") location.assign("/");
  else if (name && key in PAGES) location.assign(`/d/${name}${PAGES[key]}`);
  else return false;
  return true;
}

// Focus stands on the row's link, so Enter, Ctrl+Enter and screen readers work as they do everywhere.
function move(step) {
  const links = [...document.querySelectorAll("[data-rows] [data-open]")].filter((link) => link.offsetParent !== null);
  if (!links.length) return false;
  const here = links.indexOf(document.activeElement?.closest("[data-open]"));
  const next = links[Math.min(links.length - 1, Math.max(0, here < 0 ? (step > 0 ? 0 : links.length - 1) : here + step))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}
