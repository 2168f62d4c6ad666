// The request as the form has it: read, check, write back, and turn into bytes.

// Returns the path with the parameters behind it, in ASCII; what is escaped already stays as it is.
export function makeTarget({ path, query }) {
  const rooted = path.startsWith("/") ? path : `/${path}`;
  const parameters = new URLSearchParams(query.map(({ name, value }) => [name, value])).toString();
  const escaped = encodeURI(rooted).replaceAll("%25", "%");
  return parameters ? `${escaped}${escaped.includes("?") ? "&" : "?"}${parameters}` : escaped;
}

// Returns {blob, type}: the body and the content type that goes with it, "" for none.
export async function makeBody(request) {
  switch (request.kind) {
    case "json": return { blob: new Blob([request.json]), type: "application/json" };
    case "text": return { blob: new Blob([request.text]), type: request.textType };
    case "form": return { blob: new Blob([encodeForm(request.form)]), type: "application/x-www-form-urlencoded" };
    case "multipart": return encodeMultipart(request.multipart);
    case "file": return { blob: request.file ?? new Blob(), type: request.file?.type || "application/octet-stream" };
    default: return { blob: new Blob(), type: "" };
  }
}

export function encodeForm(fields) {
  return new URLSearchParams(fields.map(({ name, value }) => [name, value])).toString();
}

// The browser chooses the boundary; a Response tells it.
async function encodeMultipart(fields) {
  const form = new FormData();
  for (const { name, value, type, file } of fields) {
    if (type === "file") form.append(name, file ?? new Blob(), file?.name ?? "empty");
    else form.append(name, value);
  }
  const packed = new Response(form);
  return { type: packed.headers.get("content-type"), blob: await packed.blob() };
}

// Returns the headers to send: those of the form, and the body's content type unless one is given.
export function makeHeaders(request, bodyType) {
  const headers = request.headers.map(({ name, value }) => [name, value]);
  const hasType = headers.some(([name]) => name.toLowerCase() === "content-type");
  return bodyType && !hasType ? [...headers, ["Content-Type", bodyType]] : headers;
}

// Says what is wrong with a JSON body, or "" where nothing is.
export function checkJson(text) {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return error.message.replace(/^JSON\.parse: /, "");
  }
}

export function encodeText(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
