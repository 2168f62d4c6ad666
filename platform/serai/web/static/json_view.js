// JSON laid out with colours, as text nodes and spans: nothing of an answer is ever parsed as HTML.

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

export function drawJson(value) {
  const text = JSON.stringify(value, null, 2);
  const drawn = document.createDocumentFragment();
  let done = 0;
  for (const match of text.matchAll(TOKEN)) {
    drawn.append(text.slice(done, match.index), makeToken(match));
    if (match[2]) drawn.append(match[2]);
    done = match.index + match[0].length;
  }
  drawn.append(text.slice(done));
  return drawn;
}

function makeToken([whole, string, colon]) {
  const token = document.createElement("span");
  token.className = string ? (colon ? "json-key" : "json-text") : "json-word";
  token.textContent = string ?? whole;
  return token;
}
