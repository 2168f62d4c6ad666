// Editors of name-value rows: parameters, headers, form fields, multipart fields with files. There is always an empty one.

export function makePairs(place, what, hasFiles = false) {
  const add = (name = "", value = "", type = "text") => place.append(makeRow(place, what, hasFiles, name, value, type));
  place.addEventListener("input", () => {
    const last = place.querySelector(".pair:last-of-type");
    if (last.querySelector(".pair-name").value) add();
  });
  const editor = {
    read: () => [...place.querySelectorAll(".pair")].map(readRow).filter(({ name }) => name),
    write: (rows) => {
      for (const row of place.querySelectorAll(".pair")) row.remove();
      for (const { name, value, type } of rows) add(name, value, type);
      add();
    },
  };
  editor.write([]);
  return editor;
}

function readRow(row) {
  const file = row.querySelector("input[type=file]");
  const isFile = Boolean(file && !file.hidden);
  return {
    name: row.querySelector(".pair-name").value.trim(),
    value: row.querySelector(".pair-value").value,
    type: isFile ? "file" : "text",
    file: isFile ? file.files[0] : undefined,
  };
}

function makeRow(place, what, hasFiles, name, value, type) {
  const row = document.createElement("div");
  row.className = hasFiles ? "pair pair-file" : "pair";
  row.append(makeField("pair-name", `${what}: name`, name, "name"));
  const text = makeField("pair-value", `${what}: value`, value, "value");
  if (hasFiles) row.append(...makeKinds(row, what, text, type));
  else row.append(text);
  row.append(makeRemover(place, row, what));
  return row;
}

function makeKinds(row, what, text, type) {
  const kind = document.createElement("select");
  kind.setAttribute("aria-label", `${what}: kind`);
  kind.append(new Option("text"), new Option("file"));
  const file = document.createElement("input");
  file.type = "file";
  file.setAttribute("aria-label", `${what}: file`);
  const show = () => {
    file.hidden = kind.value !== "file";
    text.hidden = kind.value === "file";
  };
  kind.value = type;
  kind.addEventListener("change", show);
  show();
  const cell = document.createElement("span");
  cell.append(text, file);
  return [kind, cell];
}

function makeField(css, label, value, placeholder) {
  const field = document.createElement("input");
  field.className = `${css} mono`;
  field.value = value;
  field.placeholder = placeholder;
  field.autocomplete = "off";
  field.spellcheck = false;
  field.setAttribute("aria-label", label);
  return field;
}

function makeRemover(place, row, what) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "×";
  button.setAttribute("aria-label", `Remove this ${what.toLowerCase()}`);
  button.addEventListener("click", () => {
    if (place.querySelectorAll(".pair").length > 1) row.remove();
    place.querySelector(".pair:last-of-type .pair-name").focus();
  });
  return button;
}
