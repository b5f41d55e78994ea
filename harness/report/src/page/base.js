// Everything that came from a device, a feature file or a bench reaches the page through textContent and setAttribute
// only; nothing here makes markup of text.
const SVG = "http://www.w3.org/2000/svg";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text. */
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  return fill(node, attributes, children);
}
function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}
function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(key, String(value));
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
}

function seconds(us) {
  return us >= 1e6 ? `${(us / 1e6).toFixed(2)} s` : `${(us / 1e3).toFixed(us < 1e4 ? 2 : 0)} ms`;
}
function stamp(us) {
  return (us / 1e6).toFixed(4);
}
const VERDICTS = ["passed", "flaky", "failed", "errored", "skipped", "aborted", "quarantined"];
function word(verdict) {
  return el("span", { class: `word ${verdict}` }, verdict);
}
