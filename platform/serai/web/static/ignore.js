// Which files of a folder stay at home: git's patterns in .seraiignore, else .gitignore, and what never travels.

const ALWAYS = new Set([".git", ".serai", "__pycache__", ".venv"]);
const NOT_PACKED = new Set(["serai.yaml", ".seraiignore"]);

// Returns a function of a path (relative, with slashes): true if a file there is left out.
export function makeIgnore(text) {
  const rules = text.split(/\r?\n/).map(makeRule).filter(Boolean);
  return (path) => {
    if (NOT_PACKED.has(path)) return true;
    const names = path.split("/");
    return names.some((name, place) => ALWAYS.has(name) || isOut(rules, names.slice(0, place + 1).join("/"), place < names.length - 1));
  };
}

// The last rule that matches decides.
function isOut(rules, path, isFolder) {
  let out = false;
  for (const rule of rules) if ((isFolder || !rule.foldersOnly) && rule.pattern.test(path)) out = !rule.isException;
  return out;
}

function makeRule(line) {
  let text = line.replace(/(?<!\\) +$/, "");
  if (!text || text.startsWith("#")) return null;
  const isException = text.startsWith("!");
  if (isException) text = text.slice(1);
  const foldersOnly = text.endsWith("/");
  if (foldersOnly) text = text.slice(0, -1);
  const isRooted = text.includes("/");
  return { isException, foldersOnly, pattern: new RegExp(`^${isRooted ? "" : "(?:.*/)?"}${translate(text.replace(/^\//, ""))}$`) };
}

function translate(glob) {
  return glob.replace(/\*\*\/|\/\*\*$|\*+|\?|\[[^\]]+\]|\\(.)|[.+^${}()|\]\\]/g, (part, escaped) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "/**") return "/.*";
    if (part.startsWith("*")) return "[^/]*";
    if (part === "?") return "[^/]";
    if (part.startsWith("[")) return part.replace(/^\[!/, "[^");
    return `\\${escaped ?? part}`;
  });
}
