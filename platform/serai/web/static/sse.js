// Server-sent events as they arrive: each on a line of its own, with the time since the answer began.

export function makeEvents(place) {
  const began = performance.now();
  let rest = "";
  let event = { name: "", data: [] };
  const end = () => {
    if (event.data.length) place.append(makeLine(event, performance.now() - began));
    event = { name: "", data: [] };
  };
  return {
    add(text) {
      const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (!line) end();
        else takeField(event, line);
      }
    },
  };
}

function takeField(event, line) {
  const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
  if (field === "data") event.data.push(value);
  else if (field === "event") event.name = value;
}

function makeLine({ name, data }, sinceMs) {
  const line = document.createElement("div");
  line.className = "sse";
  const time = document.createElement("time");
  time.textContent = `${(sinceMs / 1000).toFixed(2)} s`;
  const kind = document.createElement("span");
  kind.className = "sse-name";
  kind.textContent = name;
  const text = document.createElement("span");
  text.textContent = data.join("\n");
  line.append(time, kind, text);
  return line;
}
