// Copying to the clipboard, also where the page is not served over TLS and the browser has no clipboard for it.

export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "hide";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    await copyText(button.dataset.copy);
    say(button, "Copied");
  });
}

function say(button, word) {
  const before = button.textContent;
  if (before === word) return;
  button.textContent = word;
  setTimeout(() => { button.textContent = before; }, 1500);
}
