// Legends as buttons, so that the keyboard and screen readers can hide and show a curve as the mouse does.

const DASHES = ["solid", "dot", "dash", "dashdot"];
const STROKES = ["", "2 2", "6 3", "6 2 2 2"];
const HUES = 8;
const colours = new Map();

export function dashOf(number) {
  return DASHES[number % DASHES.length];
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
  legend.replaceChildren(...chart.curves.map((curve, index) => makeButton(curve, shown(curve), (isShown) => onToggle(index, isShown))));
  paint(legend, chart);
}

function makeButton(curve, isShown, onToggle) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-pressed", String(isShown));
  button.append(makeSwatch(curve), curve.name);
  button.addEventListener("click", () => {
    const next = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(next));
    onToggle(next);
  });
  return button;
}

function makeSwatch(curve) {
  const make = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
  const svg = make("svg");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("viewBox", "0 0 18 8");
  const line = svg.appendChild(make("line"));
  for (const [name, value] of [["x1", 0], ["x2", 18], ["y1", 4], ["y2", 4]]) line.setAttribute(name, value);
  line.setAttribute("stroke-dasharray", STROKES[curve.dash % STROKES.length]);
  return svg;
}

function paint(legend, chart) {
  for (const [index, line] of legend.querySelectorAll("line").entries()) {
    line.setAttribute("stroke", hueOf(chart.curves[index].hue));
  }
}
