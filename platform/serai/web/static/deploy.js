// The form for a new version: packs the chosen folder, uploads what the server does not have, then sends the form.
import { makeIgnore } from "./ignore.js";
import { digestOf, packFiles } from "./tar.js";

const LARGEST = 1.5 * 1024 ** 3; // a browser hashes only what fits into memory
const PART = 32 * 1024 ** 2; // the server takes larger files in parts
const form = document.getElementById("deploy");
const bundle = document.getElementById("bundle");
const folder = document.getElementById("folder");
const archive = document.getElementById("archive");
const manifest = document.getElementById("manifest");
const status = document.getElementById("packing");
const bar = document.getElementById("packing-bar");
const csrf = document.querySelector("meta[name=csrf]").content;
let isReady = false;

folder.addEventListener("change", () => { choose("folder"); readManifest(); });
archive.addEventListener("change", () => choose("archive"));
document.getElementById("image").addEventListener("input", () => choose("image"));
form.addEventListener("submit", async (event) => {
  const source = form.elements.source.value;
  const isOurs = (source === "folder" && folder.files.length) || (source === "archive" && archive.files.length);
  if (isReady || !isOurs || !crypto.subtle) return; // without a secure origin the server does the hashing
  event.preventDefault();
  delete form.dataset.ownSent;
  try {
    bundle.value = await upload(source === "folder" ? await packFolder() : archive.files[0]);
    archive.value = ""; // it is there already
    isReady = true;
    form.requestSubmit(event.submitter);
  } catch (error) {
    say(error.message, true);
  } finally {
    delete form.dataset.ownSent;
  }
});
showLine();

// Another choice makes what was uploaded before the wrong thing.
function choose(source) {
  form.elements.source.value = source;
  bundle.value = "";
  isReady = false;
  say("");
}

function pathOf(file) {
  return file.webkitRelativePath.split("/").slice(1).join("/");
}

// A folder that brings a serai.yaml fills the form; a name is taken from there, else from the folder.
async function readManifest() {
  const files = [...folder.files];
  if (!files.length) return;
  const own = files.find((file) => pathOf(file) === "serai.yaml");
  if (own) manifest.value = await own.text();
  const name = document.getElementById("name");
  if (name && !name.value) {
    const given = own && /^name:\s*["']?([a-z0-9-]+)/m.exec(manifest.value);
    name.value = given ? given[1] : files[0].webkitRelativePath.split("/")[0].toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  }
  say(`${files.length} files in the folder${own ? "; its serai.yaml is below" : ""}.`);
}

async function packFolder() {
  const all = [...folder.files].map((file) => ({ path: pathOf(file), file }));
  const rules = all.find(({ path }) => path === ".seraiignore") ?? all.find(({ path }) => path === ".gitignore");
  const isLeftOut = makeIgnore(rules ? await rules.file.text() : "");
  const files = all.filter(({ path }) => !isLeftOut(path));
  const size = files.reduce((sum, { file }) => sum + file.size, 0);
  if (!files.length) throw new Error("The folder holds nothing to deploy.");
  if (size > LARGEST) throw new Error("The folder is too large for a browser; from a terminal `serai deploy` sends it.");
  const packed = await packFiles(files, foldersOf(all, isLeftOut), (done, total) => progress("Packing", done, total));
  return packed;
}

function foldersOf(all, isLeftOut) {
  const folders = new Set();
  for (const { path } of all) {
    const names = path.split("/").slice(0, -1);
    names.forEach((_, place) => folders.add(names.slice(0, place + 1).join("/")));
  }
  return [...folders].filter((path) => !isLeftOut(`${path}/x`));
}

async function upload(blob) {
  if (blob.size > LARGEST) throw new Error("The file is too large for a browser; from a terminal `serai deploy` sends it.");
  say("Hashing…");
  const digest = await digestOf(blob);
  const known = await fetch(`/api/v1/bundles/${digest}`, { method: "HEAD", headers: { "X-CSRF-Token": csrf } });
  if (!known.ok) await putParts(digest, blob, Number(known.headers.get("Upload-Offset")) || 0);
  say(known.ok ? "The server has these files already." : "Uploaded.");
  bar.hidden = true;
  return digest;
}

// Goes on from `offset`: what an upload that broke off has brought there already.
async function putParts(digest, blob, offset) {
  do {
    const end = Math.min(offset + PART, blob.size);
    await put(digest, blob, offset, end);
    offset = end;
  } while (offset < blob.size);
}

// Not fetch: it does not tell how much has been sent.
function put(digest, blob, offset, end) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/v1/bundles/${digest}`);
    request.setRequestHeader("X-CSRF-Token", csrf);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    const bytes = offset < end ? `${offset}-${end - 1}` : "*";
    if (end - offset < blob.size) request.setRequestHeader("Content-Range", `bytes ${bytes}/${blob.size}`);
    request.upload.onprogress = ({ loaded }) => progress("Uploading", offset + loaded, blob.size);
    request.onerror = () => reject(new Error("The upload broke off; the server may be away. Try again."));
    request.onload = () => (request.status < 300 ? resolve() : reject(new Error(problemOf(request))));
    request.send(blob.slice(offset, end));
  });
}

function problemOf(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return `The upload was refused (${request.status}).`;
  }
}

function progress(word, done, total) {
  bar.hidden = false;
  bar.value = total ? done / total : 1;
  say(`${word} ${(done / 1024 ** 2).toFixed(1)} of ${(total / 1024 ** 2).toFixed(1)} MiB`);
}

function say(text, isProblem = false) {
  status.textContent = text;
  status.className = isProblem ? "problem" : "quiet";
}

// Puts the cursor into the line that is wrong.
function showLine() {
  const line = Number(manifest.dataset.line);
  if (!line) return;
  const lines = manifest.value.split("\n");
  const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  manifest.focus();
  manifest.setSelectionRange(start, start + lines[line - 1].length);
}
