// Numbers and names for people.

function formatTime(ns) {
  const size = Math.abs(ns);
  if (size >= 1e9) return `${(ns / 1e9).toFixed(2)} s`;
  if (size >= 1e8) return `${(ns / 1e6).toFixed(0)} ms`;
  if (size >= 1e6) return `${(ns / 1e6).toFixed(1)} ms`;
  if (size >= 1e4) return `${(ns / 1e6).toFixed(2)} ms`;
  return size ? `${(ns / 1e3).toFixed(1)} µs` : "0";
}

function formatBytes(bytes) {
  const size = Math.abs(bytes);
  if (size >= 1 << 30) return `${(bytes / (1 << 30)).toFixed(2)} GiB`;
  if (size >= 1 << 20) return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
  if (size >= 1 << 10) return `${(bytes / (1 << 10)).toFixed(1)} KiB`;
  return size ? `${bytes} B` : "0";
}

function formatCount(number) {
  return number.toLocaleString("en");
}

/** A figure of a metric; a dash where the profile does not know it. */
function format(unit, value) {
  if (value === null || value === undefined) return "–";
  return { time: formatTime, bytes: formatBytes, count: formatCount }[unit](value);
}

function formatShare(part, whole) {
  if (!(whole > 0)) return "";
  const percent = (100 * part) / whole;
  return `${percent >= 10 ? percent.toFixed(0) : percent.toFixed(1)}%`;
}

/** Characters that would not be seen, or that would change how the rest is seen, are shown by their number. */
function visible(text) {
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (character) => {
    return `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`;
  });
}

function place(file, line) {
  if (!file) return line ? `line ${line}` : "";
  return line ? `${visible(file)}:${line}` : visible(file);
}

/** An element; children are nodes or text, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}
