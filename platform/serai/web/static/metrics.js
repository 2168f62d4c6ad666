// The charts of the page of figures: one time axis for all, drawn by Plotly from the numbers that the page carries.
import { dashOf, drawLegend, forgetHues, hatchOf, hueOf, ink } from "./metrics_legend.js";
import { local, scaleOf } from "./metrics_units.js";
import { startZone } from "./metrics_zone.js";

const CONFIG = { displayModeBar: false, showTips: false, responsive: true, doubleClick: "reset", scrollZoom: false };
const WORDS_PX = 170; // what the words of a mark take at most
const WITH_WORDS = new Set(["count", "cpu"]); // the first chart of each part says what its marks are
const hidden = new Map(); // by chart and curve: what the reader hid or showed
let drawn = ""; // the JSON of what is on the screen
let page = null;
let zoom = null; // [from, to] in local time, as the axis has it; null: the whole range
// A chart is drawn when it comes near to what is in sight: a page may have a dozen, and news every ten seconds.
const near = new Set();
const stale = new Map(); // by canvas: what it has to show, which is not drawn yet
const sight = new IntersectionObserver(noteSight, { rootMargin: "50% 0px" });

export function start() {
  startZone();
  draw();
  addEventListener("beforeprint", () => drawStale(() => true));
  document.addEventListener("serai:fresh", drawNews);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // How many words of marks there is room for depends on the width; the library draws anew for that by itself.
  let resized = 0;
  addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(redraw, 150); });
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

function redraw() {
  forgetHues();
  drawn = "";
  draw();
}

// What is being read does not move: news wait until the pointer has left the charts.
function drawNews() {
  if (!document.querySelector(".chart-canvas:hover")) draw();
}

function draw() {
  const text = document.getElementById("figures-data").textContent;
  if (text === drawn) return;
  drawn = text;
  page = JSON.parse(text);
  stale.clear();
  for (const chart of page.charts) {
    const canvas = document.getElementById(`chart-${chart.id}`);
    if (!canvas) continue;
    stale.set(canvas, chart);
    sight.observe(canvas);
    // Not only when it is seen: a legend has lines of its own, and would push away what is being read.
    drawLegend(chart, (curve) => isShown(chart, curve), (index, isOn) => show(chart, index, isOn));
  }
  drawStale();
}

function show(chart, index, isOn) {
  hidden.set(`${chart.id} ${chart.curves[index].name}`, isOn);
  const canvas = document.getElementById(`chart-${chart.id}`); // not the one that the legend was made beside
  if (canvas && isDrawn(canvas) && !stale.has(canvas)) Plotly.restyle(canvas, { visible: isOn }, [index]);
}

function noteSight(entries) {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) near.add(target);
    else near.delete(target);
  }
  drawStale();
}

function drawStale(isWanted = (canvas) => near.has(canvas)) {
  for (const [canvas, chart] of stale) {
    if (!isWanted(canvas)) continue;
    stale.delete(canvas);
    drawChart(canvas, chart);
  }
}

function isShown(chart, curve) {
  return hidden.get(`${chart.id} ${curve.name}`) ?? curve.shown;
}

function isDrawn(canvas) {
  return canvas.classList.contains("js-plotly-plot");
}

function drawChart(canvas, chart) {
  const isNew = !isDrawn(canvas);
  const scale = scaleOf(chart);
  const times = chart.times.map(local);
  Plotly.react(canvas, chart.curves.map((curve) => makeTrace(chart, curve, times, scale)), makeLayout(chart, scale, canvas.clientWidth), CONFIG);
  if (isNew) follow(canvas);
}

function makeTrace(chart, curve, times, scale) {
  const trace = {
    name: curve.name, visible: isShown(chart, curve), x: times, y: curve.values.map(scale.convert), hovertemplate: scale.hover,
  };
  const color = hueOf(curve.hue);
  if (chart.kind === "bars") {
    const pattern = { shape: hatchOf(curve.dash), fgcolor: ink("--bg"), fillmode: "overlay", size: 6, solidity: 0.25 };
    return { ...trace, type: "bar", offset: 0, width: chart.interval * 920, marker: { color, pattern } };
  }
  // A value between two gaps is a point, or it would not be seen at all. Markers cost an element for each value.
  const isAlone = curve.values.map((value, at) => value !== null && (curve.values[at - 1] ?? null) === null && (curve.values[at + 1] ?? null) === null);
  return {
    ...trace, type: "scatter", mode: isAlone.includes(true) ? "lines+markers" : "lines", connectgaps: false, line: { color, width: 1.6, dash: dashOf(curve.dash) },
    marker: { color, size: isAlone.map((alone) => (alone ? 5 : 0)) },
  };
}

function makeLayout(chart, scale, width) {
  const hasWords = WITH_WORDS.has(chart.id);
  const color = ink("--muted");
  const rule = ink("--rule");
  return {
    margin: { l: 58, r: 8, t: hasWords ? 20 : 6, b: 36 }, showlegend: false, barmode: "stack", hovermode: "x unified", hoverdistance: -1, dragmode: "zoom",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color, size: 11, family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: ink("--bg"), bordercolor: ink("--control"), font: { color: ink("--ink"), size: 12 } },
    xaxis: {
      type: "date", range: zoom ?? whole(), gridcolor: rule, linecolor: rule, zeroline: false, showspikes: true, spikemode: "across",
      spikethickness: 1, spikedash: "solid", spikecolor: ink("--control"), hoverformat: "%Y-%m-%d %H:%M:%S",
    },
    yaxis: { fixedrange: true, rangemode: "tozero", gridcolor: rule, zerolinecolor: rule, ticksuffix: scale.suffix, tickformat: scale.format, nticks: 5 },
    shapes: page.marks.map(({ at }) => makeMark(at)),
    annotations: hasWords ? farApart(page.marks, width).map(makeNote) : [],
  };
}

function whole() {
  return [local(Date.parse(page.from) / 1000), local(Date.parse(page.to) / 1000)];
}

function makeMark(at) {
  const x = local(Date.parse(at) / 1000);
  return { type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: ink("--shutting-down"), width: 1, dash: "dot" } };
}

function makeNote({ at, text, isLate }) {
  const x = local(Date.parse(at) / 1000);
  return { x, y: 1, yref: "paper", text, showarrow: false, xanchor: isLate ? "right" : "left", yanchor: "bottom", font: { size: 10, color: ink("--shutting-down") } };
}

// Words of marks that lie close together would cover each other: the newest has them, the list below has all.
// Near the right edge they stand left of their line.
function farApart(marks, width) {
  const end = Date.parse(page.to);
  const least = (end - Date.parse(page.from)) * (WORDS_PX / width);
  const kept = [];
  for (const mark of marks) {
    const at = Date.parse(mark.at);
    const last = kept.at(-1);
    const isLate = end - at < least;
    const between = last?.isLate && !isLate ? 2 * least : least;
    if (!last || Date.parse(last.at) - at > between) kept.push({ ...mark, isLate });
  }
  return kept;
}

// All charts show the same instant and the same part of time.
function follow(canvas) {
  // The pointer's own events only: what the others are told comes back later as an event of theirs.
  canvas.on("plotly_hover", ({ event, xvals }) => {
    if (event instanceof Event) atOthers(canvas, (other) => Plotly.Fx.hover(other, { xval: placeOf(xvals[0]) }, "xy"));
  });
  canvas.on("plotly_unhover", ({ event }) => {
    if (event instanceof Event) atOthers(canvas, (other) => Plotly.Fx.unhover(other));
  });
  canvas.on("plotly_relayout", () => zoomTo(canvas.layout.xaxis.range.map(String)));
}

// Told by every chart, those included that were only told so: where nothing differs any more, it ends.
function zoomTo(range) {
  const wanted = isWhole(range) ? whole() : range;
  zoom = isWhole(range) ? null : range;
  for (const canvas of document.querySelectorAll(".chart-canvas.js-plotly-plot")) {
    if (!isSame(canvas.layout.xaxis.range, wanted)) Plotly.relayout(canvas, { "xaxis.range": [...wanted] });
  }
  offerRange();
}

function isWhole(range) {
  return isSame(range, whole());
}

function isSame(one, other) {
  return one.every((edge, place) => Math.abs(instantOf(edge) - instantOf(other[place])) < 1000);
}

function instantOf(edge) {
  return Date.parse(String(edge).replace(" ", "T"));
}

// Inside, the library counts an axis's times of day as if they were UTC.
function placeOf(edge) {
  return typeof edge === "number" ? edge : Date.parse(`${String(edge).replace(" ", "T")}Z`);
}

function atOthers(canvas, act) {
  for (const other of document.querySelectorAll(".chart-canvas.js-plotly-plot")) if (other !== canvas) act(other);
}

function offerRange() {
  const link = document.getElementById("zoomed");
  link.hidden = !zoom;
  if (!zoom) return;
  const address = new URL(location.href);
  const [from, to] = zoom.map((edge) => `${new Date(instantOf(edge)).toISOString().slice(0, 19)}Z`);
  address.searchParams.set("from", from);
  address.searchParams.set("to", to);
  link.href = address.href;
}

start();
