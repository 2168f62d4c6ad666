// Small services for forms: choices that take effect at once, names that have to be typed, no second sending.

export function startForms() {
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form?.hasAttribute("data-auto") && event.target.name) form.requestSubmit();
  });
  document.addEventListener("input", (event) => {
    const { expect } = event.target.dataset;
    if (expect) event.target.setCustomValidity(event.target.value.trim() === expect ? "" : `Type ${expect} to go on`);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.ownSent) event.preventDefault();
    form.dataset.ownSent = "1";
  });
  // A page that comes back from the browser's memory can send its forms again.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("[data-own-sent]")) delete form.dataset.ownSent;
  });
}
