// The list's filter: hides rows as one types, and keeps the words in the address.

export function startFilter() {
  const field = document.querySelector("[data-filter]");
  if (!field) return;
  const apply = () => filterRows(field);
  field.addEventListener("input", () => {
    apply();
    remember(field.value);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !field.value) return;
    field.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    event.preventDefault();
  });
  document.addEventListener("serai:fresh", apply);
  apply();
}

function filterRows(field) {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of document.querySelectorAll(`${field.dataset.filter} tbody tr`)) {
    row.hidden = !words.every((word) => row.dataset.text.includes(word));
    if (!row.hidden) shown += 1;
  }
  const nothing = document.getElementById("nothing");
  if (nothing) nothing.hidden = shown > 0;
}

function remember(text) {
  const address = new URL(location.href);
  if (text) address.searchParams.set("q", text);
  else address.searchParams.delete("q");
  history.replaceState(history.state, "", address);
}
