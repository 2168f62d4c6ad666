// Legends as buttons, so that the keyboard and screen readers can hide and show a curve as the mouse does.

const DASHES = ["solid", "dot", "dash", "dashdot"];
const STROKES = ["", "2 2", "6 3", "6 2 2 2"];
const HATCHES = ["", "/", ".", "x", "-", "\\", "|", "+"];
const SWATCH_HATCHES = {
  "/": "M0 8 8 0M8 8 16 0", ".": "M3 4h2M8 4h2M13 4h2", x: "M0 8 8 0M8 8 16 0M0 0 8 8M8 0 16 8", "-": "M0 4h18",
  "\\": "M0 0 8 8M8 0 16 8", "|": "M4 0v8M9 0v8M14 0v8", "+": "M0 4h18M5 0v8M13 0v8",
};
const HUES = 8;
const colours = new Map();

export function dashOf(number) {
  return DASHES[number % DASHES.length];
}

// Bars have no line to dash: each of a stack is hatched in its own way.
export function hatchOf(number) {
  return HATCHES[number % HATCHES.length];
}

export function hueOf(number) {
  return ink(`--hue-${number % HUES}`);
}

// A custom property as a colour: light-dark() means nothing outside of a stylesheet.
export function ink(name) {
  if (!colours.has(name)) {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    colours.set(name, getComputedStyle(probe).color);
    probe.remove();
  }
  return colours.get(name);
}

export function forgetHues() {
  colours.clear();
}

export function drawLegend(chart, shown, onToggle) {
  const legend = document.getElementById(`legend-${chart.id}`);
  const names = chart.curves.map(({ name }) => name).join("\n");
  if (legend.dataset.ownNames === names) return paint(legend, chart);
  legend.dataset.ownNames = names;
  legend.replaceChildren(...chart.curves.map((curve, index) => makeButton(chart, curve, shown(curve), (isShown) => onToggle(index, isShown))));
  paint(legend, chart);
}

function makeButton(chart, curve, isShown, onToggle) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-pressed", String(isShown));
  button.append(makeSwatch(chart, curve), curve.name);
  button.addEventListener("click", () => {
    const next = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(next));
    onToggle(next);
  });
  return button;
}

function makeSwatch(chart, curve) {
  const svg = makeSvg("svg", { "aria-hidden": "true", viewBox: "0 0 18 8" });
  if (chart.kind === "bars") {
    svg.append(makeSvg("line", { class: "swatch", x1: 0, x2: 18, y1: 4, y2: 4, "stroke-width": 8 }));
    const hatch = SWATCH_HATCHES[hatchOf(curve.dash)];
    if (hatch) svg.append(makeSvg("path", { class: "swatch-hatch", d: hatch }));
  } else {
    svg.append(makeSvg("line", { class: "swatch", x1: 0, x2: 18, y1: 4, y2: 4, "stroke-width": 3, "stroke-dasharray": STROKES[curve.dash % STROKES.length] }));
  }
  return svg;
}

function makeSvg(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function paint(legend, chart) {
  for (const [index, line] of legend.querySelectorAll(".swatch").entries()) {
    line.setAttribute("stroke", hueOf(chart.curves[index].hue));
  }
}
