// Applies the reader's choice of theme before the first paint; everything else waits for the modules.
{
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const chosen = localStorage.getItem("serai-theme");
    if (chosen) root.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; the system's preference holds.
  }
}
