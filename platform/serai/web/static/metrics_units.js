// Units of charts: what a value is divided by, and how it is written on the axis and under the pointer.

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function scaleOf(chart) {
  const same = (value) => value;
  switch (chart.unit) {
    case "restarts":
    case "requests": return { convert: same, suffix: "", format: ",d", hover: "%{y:,d}" };
    case "seconds": return { convert: same, suffix: "s", format: "~s", hover: "%{y:.3~s}s" };
    case "percent": return { convert: same, suffix: " %", format: "", hover: "%{y:.3~g} %" };
    case "celsius": return { convert: same, suffix: " °C", format: "", hover: "%{y:.0f} °C" };
    case "watts": return { convert: same, suffix: " W", format: "", hover: "%{y:.0f} W" };
    case "bytes": return scaleBytes(chart);
    default: return { convert: same, suffix: "", format: "", hover: "%{y:.2f} cores" };
  }
}

function scaleBytes(chart) {
  const most = Math.max(1, ...chart.curves.flatMap(({ values }) => values.filter((value) => value !== null)));
  const place = Math.min(BYTES.length - 1, Math.floor(Math.log2(most) / 10));
  const unit = BYTES[place];
  const convert = (value) => (value === null ? null : value / 1024 ** place);
  return { convert, suffix: ` ${unit}`, format: "", hover: `%{y:.3~g} ${unit}` };
}

// The library's axes know no zones: an instant is given as the reader's own time of day.
export function local(seconds) {
  const at = new Date(seconds * 1000);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
