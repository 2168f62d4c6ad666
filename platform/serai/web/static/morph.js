// Makes one tree equal another by changing only what differs: focus, scroll, selection and typed text survive.
//
// Elements are matched by id, others by place and name. `data-keep`: the page's modules own it, leave it alone.
// `data-stay`: do not remove it either. Attributes that begin with `data-own-` belong to modules.

export function morph(from, to) {
  morphAttributes(from, to);
  morphChildren(from, to);
}

const USERS = new Set(["open"]); // what a reader opened stays open

function isOurs(name) {
  return USERS.has(name) || name.startsWith("data-own-");
}

function morphAttributes(from, to) {
  for (const { name, value } of [...to.attributes]) {
    if (!isOurs(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!isOurs(name) && !to.hasAttribute(name)) from.removeAttribute(name);
  }
}

function morphNode(from, to) {
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  if (from.hasAttribute("data-keep") || isSameTime(from, to)) return;
  if (from.localName === "textarea") return morphAttributes(from, to);
  morph(from, to);
}

// A clock writes its own words; only another instant is news.
function isSameTime(from, to) {
  return from.localName === "time" && from.dateTime === to.dateTime;
}

function canBecome(from, to) {
  return from.nodeType === to.nodeType && from.nodeName === to.nodeName && (from.id ?? "") === (to.id ?? "");
}

function morphChildren(from, to) {
  const kept = new Set([...to.children].map((child) => child.id).filter(Boolean));
  const known = new Map([...from.children].filter((child) => child.id).map((child) => [child.id, child]));
  let here = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    while (here && isLeaving(here, kept)) here = remove(here);
    const match = (wanted.id && known.get(wanted.id)) || (here && canBecome(here, wanted) ? here : null);
    if (!match) {
      from.insertBefore(document.importNode(wanted, true), here);
    } else if (match === here) {
      here = here.nextSibling;
      morphNode(match, wanted);
    } else {
      place(from, match, here);
      morphNode(match, wanted);
    }
  }
  while (here) here = remove(here);
}

function isLeaving(node, kept) {
  return Boolean(node.id) && !kept.has(node.id);
}

function remove(node) {
  const next = node.nextSibling;
  if (node.nodeType !== Node.ELEMENT_NODE || !node.hasAttribute("data-stay")) node.remove();
  return next;
}

// Moving keeps state (focus, playing media) where the browser can.
function place(parent, node, before) {
  if (parent.moveBefore) parent.moveBefore(node, before);
  else parent.insertBefore(node, before);
}
