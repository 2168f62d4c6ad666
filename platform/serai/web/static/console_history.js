// The requests that were sent from this browser, by deployment. Values of headers that look like secrets are not kept.

const MOST = 30;
const LARGEST = 64 * 1024;
const SECRET = /^(authorization|cookie|proxy-authorization|x-api-key)$|token|secret|key$/i;

export function makeHistory(name, place, clear, open) {
  const key = `serai-test-${name}`;
  const draw = () => place.replaceChildren(...load(key).map((entry) => makeEntry(entry, open)));
  clear.addEventListener("click", () => {
    store(key, []);
    draw();
  });
  draw();
  return {
    add(request, status, tookMs) {
      const entry = { at: Date.now(), status, tookMs, request: strip(request) };
      store(key, [entry, ...load(key)].slice(0, MOST));
      draw();
    },
  };
}

function strip(request) {
  const { file, ...rest } = request;
  const kept = {
    ...rest,
    headers: request.headers.map(({ name, value }) => ({ name, value: SECRET.test(name) ? "" : value })),
    multipart: request.multipart.map(({ name, value, type }) => ({ name, value, type })),
  };
  return JSON.stringify(kept).length > LARGEST ? { ...kept, json: "", text: "" } : kept;
}

function load(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? [];
  } catch {
    return [];
  }
}

function store(key, entries) {
  try {
    localStorage.setItem(key, JSON.stringify(entries));
  } catch {
    // Storage is full or forbidden: the page works without a history.
  }
}

function makeEntry({ at, status, tookMs, request }, open) {
  const line = document.createElement("li");
  line.className = "past";
  const button = document.createElement("button");
  button.type = "button";
  button.append(part(`past-status status-${String(status)[0]}`, String(status || "–")), part("", request.method), part("past-path", request.path));
  button.addEventListener("click", () => open(request));
  line.append(button, part("quiet", `${Math.round(tookMs)} ms, ${new Date(at).toLocaleTimeString("en-GB")}`));
  return line;
}

function part(css, text) {
  const element = document.createElement("span");
  element.className = css;
  element.textContent = text;
  return element;
}
