// Colours. The largest packages have one each; they are dark enough, or light enough, for the text upon them.

const HUES = {
  light: ["#f2a65a", "#86c5e8", "#a9cf6b", "#cbb0e6", "#f3cf5b", "#ee8f8b", "#7fd6c2", "#aeb8fb", "#dcb493", "#c6d08a"],
  dark: ["#9c4f14", "#1e6189", "#496b1f", "#6a4790", "#7d620c", "#94393c", "#1a6b5e", "#434fa5", "#7c533b", "#5c6630"],
};

const INK = {
  light: { text: "#1f1a14", rest: "#d9d4cc", base: "#ebe7e0", faded: "#efece7", line: "#fffdfa", mark: "#1f1a14", hit: "#c2410c" },
  dark: { text: "#f7f3ec", rest: "#47423a", base: "#322e28", faded: "#26231f", line: "#191714", mark: "#f7f3ec", hit: "#fdba74" },
};

/** Ranks groups by their own time, for colours and for the legend. */
function rankGroups(model, metric) {
  const totals = new Map();
  for (let i = 0; i < model.count; i++) {
    const value = Math.max(0, model.modules[metric][i] || 0);
    totals.set(model.groups[i], (totals.get(model.groups[i]) || 0) + value);
  }
  return [...totals].sort((a, b) => b[1] - a[1]).map(([name, value], rank) => ({ name, value, rank }));
}

function currentTheme() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

const SHADES = 5;

/** One of a few shades of a colour, so that parts of one large package can be told apart. */
function shade(colour, number, theme) {
  const amount = (number / (SHADES - 1)) * (theme === "dark" ? 0.26 : 0.3);
  const towards = theme === "dark" ? 0 : 255;
  const channels = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return `rgb(${channels.map((value) => Math.round(value + (towards - value) * amount)).join(" ")})`;
}

/** Numbers the parts of packages (`numpy.linalg` of `numpy`) in the order of their names. */
function partNumbers(names) {
  const numbers = new Map();
  const counts = new Map();
  for (const name of [...new Set(names.map(partOf))].sort()) {
    const group = name.split(".", 1)[0];
    const count = counts.get(group) ?? 0;
    counts.set(group, count + 1);
    numbers.set(name, (count * 2) % SHADES);
  }
  return numbers;
}

/** A package goes deep before it parts: its third name tells more than the second where that is there. */
function partOf(name) {
  return name.split(".", 3).join(".");
}

function groupColour(rank, theme) {
  return rank < HUES[theme].length ? HUES[theme][rank] : INK[theme].rest;
}
