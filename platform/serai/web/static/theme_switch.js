// The switch of the theme: as the system has it, light, dark.

const ORDER = ["", "light", "dark"];
const WORDS = { "": "Auto", light: "Light", dark: "Dark" };

export function startTheme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const show = () => {
    const word = WORDS[root.dataset.theme ?? ""];
    button.textContent = `◐ ${word}`;
    button.setAttribute("aria-label", `Theme: ${word}`);
  };
  button.addEventListener("click", () => {
    const next = ORDER[(ORDER.indexOf(root.dataset.theme ?? "") + 1) % ORDER.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    keep(next);
    show();
  });
  show();
}

function keep(theme) {
  try {
    if (theme) localStorage.setItem("serai-theme", theme);
    else localStorage.removeItem("serai-theme");
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}
