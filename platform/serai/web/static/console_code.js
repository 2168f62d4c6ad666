// The request as a command line and as a program, to be pasted elsewhere.
import { encodeForm, makeHeaders, makeTarget } from "./console_request.js";

const BODY_TYPES = { json: "application/json", form: "application/x-www-form-urlencoded" };

export function makeCurl(url, request) {
  const parts = [`curl -N ${request.method === "GET" ? "" : `-X ${request.method} `}${quoteShell(address(url, request))}`];
  for (const [name, value] of headersOf(request)) parts.push(`-H ${quoteShell(`${name}: ${value}`)}`);
  switch (request.kind) {
    case "json": parts.push(`--data-binary ${quoteShell(request.json)}`); break;
    case "text": parts.push(`--data-binary ${quoteShell(request.text)}`); break;
    case "form": parts.push(`--data ${quoteShell(encodeForm(request.form))}`); break;
    case "file": parts.push(`--data-binary ${quoteShell(`@${request.file?.name ?? "file"}`)}`); break;
    case "multipart":
      for (const { name, value, type, file } of request.multipart) {
        parts.push(type === "file" ? `-F ${quoteShell(`${name}=@${file?.name ?? "file"}`)}` : `--form-string ${quoteShell(`${name}=${value}`)}`);
      }
  }
  return parts.join(" \\\n  ");
}

export function makePython(url, request) {
  const lines = [`    ${quotePython(request.method)},`, `    ${quotePython(address(url, request))},`];
  const headers = headersOf(request);
  if (headers.length) lines.push(`    headers={${headers.map(([name, value]) => `${quotePython(name)}: ${quotePython(value)}`).join(", ")}},`);
  lines.push(...pythonBody(request), "    stream=True,");
  return ["import requests", "", "answer = requests.request(", ...lines, ")", "answer.raise_for_status()",
    "for line in answer.iter_lines(decode_unicode=True):", "    print(line)", ""].join("\n");
}

function pythonBody(request) {
  switch (request.kind) {
    case "json": return [`    data=${quotePython(request.json)}.encode(),`];
    case "text": return [`    data=${quotePython(request.text)}.encode(),`];
    case "form": return [`    data=${quotePython(encodeForm(request.form))},`];
    case "file": return [`    data=open(${quotePython(request.file?.name ?? "file")}, "rb"),`];
    case "multipart": return [`    files=[${request.multipart.map(pythonField).join(", ")}],`];
    default: return [];
  }
}

function pythonField({ name, value, type, file }) {
  const content = type === "file" ? `open(${quotePython(file?.name ?? "file")}, "rb")` : `(None, ${quotePython(value)})`;
  return `(${quotePython(name)}, ${content})`;
}

function address(url, request) {
  return url.replace(/\/$/, "") + makeTarget(request);
}

function headersOf(request) {
  const headers = makeHeaders(request, request.kind === "text" ? request.textType : BODY_TYPES[request.kind] ?? "");
  return request.version ? [...headers, ["X-Serai-Version", request.version]] : headers;
}

function quoteShell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// JSON's escapes are Python's too, but for lone surrogates, which no field can hold.
function quotePython(text) {
  return JSON.stringify(text);
}
