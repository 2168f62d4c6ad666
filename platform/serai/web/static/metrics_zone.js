// Instants in the reader's own time zone, which is said beside them: what is typed there, too. Addresses are of UTC.
import { local } from "./metrics_units.js";

export function startZone() {
  const form = document.getElementById("custom");
  for (const input of form.querySelectorAll("[type=datetime-local]")) {
    const at = Date.parse(`${input.defaultValue}Z`);
    input.value = local(at / 1000).slice(0, 16);
  }
  form.addEventListener("submit", show);
  sayZone();
  document.addEventListener("serai:fresh", sayZone); // sections that were not there before
}

function sayZone() {
  const words = zoneWords(new Date());
  for (const place of document.querySelectorAll("[data-zone]")) if (place.textContent !== words) place.textContent = words;
}

// Europe/Berlin, UTC+1: the name alone says nothing to most, the offset alone not where.
export function zoneWords(at) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const minutes = -at.getTimezoneOffset();
  if (!minutes && timeZone === "UTC") return "UTC";
  const sign = minutes < 0 ? "−" : "+";
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${timeZone}, UTC${sign}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""}`;
}

function show(event) {
  event.preventDefault();
  const address = new URL(event.target.action || location.href);
  address.search = "";
  for (const [name, value] of new FormData(event.target)) {
    const isInstant = name === "from" || name === "to";
    address.searchParams.set(name, isInstant ? `${new Date(value).toISOString().slice(0, 19)}Z` : value);
  }
  location.assign(address);
}
