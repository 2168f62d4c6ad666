// Drawings of the last hour for the rows in sight, fetched together and again every half minute.

const EVERY_MS = 30_000;
const MOST = 60;

export function startFigures() {
  if (!document.querySelector("td[data-figure]")) return;
  const inSight = new Set();
  let timer = 0;
  const soon = () => { clearTimeout(timer); timer = setTimeout(() => load(inSight), 60); };
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inSight.add(target);
      else inSight.delete(target);
    }
    if (entries.some(({ target, isIntersecting }) => isIntersecting && !target.dataset.ownLoaded)) soon();
  }, { rootMargin: "200px" });
  const watch = () => {
    for (const cell of document.querySelectorAll("td[data-figure]:not([data-own-seen])")) {
      cell.dataset.ownSeen = "1";
      watcher.observe(cell);
    }
  };
  watch();
  document.addEventListener("serai:fresh", watch);
  setInterval(() => !document.hidden && load(inSight), EVERY_MS);
}

async function load(cells) {
  const shown = [...cells].filter((cell) => cell.isConnected);
  const names = [...new Set(shown.map(nameOf))].slice(0, MOST);
  if (!names.length) return;
  try {
    const response = await fetch(`/figures?names=${names.join(",")}`, { headers: { "X-Serai-Live": "1" } });
    if (response.ok) show(shown, await response.json());
  } catch {
    // The bar that says the server is away says it for these too.
  }
}

function nameOf(cell) {
  return cell.closest("tr").id.replace("row-", "");
}

function show(cells, drawings) {
  for (const cell of cells) {
    const html = drawings[nameOf(cell)];
    if (html === undefined) continue;
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const part = holder.content.querySelector(`template[data-figure="${cell.dataset.figure}"]`);
    cell.replaceChildren(part.content.cloneNode(true));
    cell.dataset.ownLoaded = "1";
  }
}
