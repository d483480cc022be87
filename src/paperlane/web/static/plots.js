// The overview's plots: what was sampled, redrawn as more comes.

import { ask, element, locale, say } from "./api.js";

const box = document.getElementById("plots");
const none = document.getElementById("no-plots");
const hours = Number(box.dataset.hours);
const HEIGHT = 180;
const LATE = 3; // samples; a sample may lack what was not told in time
const drawn = new Map();
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Each plot: its word, the unit of its axis, what a sample is multiplied by, and its series, or whose they are. */
const PLOTS = [
  { word: "plot backlog", unit: "", names: ["queued", "running", "slots"] },
  { word: "plot throughput", unit: "", names: ["completed_per_minute", "failed_per_minute"] },
  { word: "plot waits", unit: " s", names: ["oldest", "wait_mean", "completion_mean"] },
  { word: "plot answers", unit: " ms", times: 1000, names: ["api_p95", "page_p95", "batch_p95", "progress_p99"] },
  { word: "plot load", unit: " %", times: 100, most: 100, names: ["cpu", "memory"] },
  { word: "plot slots", unit: "", begins: "slots.", of: "engines" },
  { word: "plot worker slots", unit: "", begins: "slots.", of: "workers" },
];

const number = (value) => value.toLocaleString(locale(), { maximumFractionDigits: value < 10 ? 1 : 0 });
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seriesColor = (at) => color(`--series-${at % 6}`);

function sayMoment(at, precise = false) {
  const parts = hours > 24 ? { month: "numeric", day: "numeric" } : {};
  if (hours <= 24 || precise) Object.assign(parts, { hour: "2-digit", minute: "2-digit" });
  return new Date(at * 1000).toLocaleString(locale(), parts);
}

class Plot {
  constructor(plot, names) {
    Object.assign(this, plot, { names });
    this.values = names.map(() => element("b"));
    const keys = names.map((name, at) => {
      const swatch = element("span", `swatch s${at % 6}`);
      swatch.setAttribute("aria-hidden", "true");
      const label = this.begins ? short(name.slice(this.begins.length)) : say(`series ${name}`);
      return element("span", "key", swatch, ` ${label} `, this.values[at]);
    });
    this.when = element("span", "soft when-at");
    this.canvas = element("div", "canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.root = element("figure", "", element("figcaption", "", element("strong", "", say(this.word)), ...keys, this.when), this.canvas);
    this.canvas.addEventListener("keydown", (event) => this.#step(event));
    this.canvas.addEventListener("blur", () => this.made?.setCursor({ left: -10, top: -10 }));
  }

  show(found) {
    this.data = [found.at, ...this.names.map((name) => found.series[name].map((value) => (value === null ? null : value * (this.times ?? 1))))];
    if (this.made) this.made.setData(this.data);
    else this.#draw();
    this.#tell(null);
  }

  /** Drawn anew in the colours of the page. */
  redraw() {
    this.made?.destroy();
    this.#draw();
  }

  fit() {
    if (this.canvas.clientWidth) this.made?.setSize({ width: this.canvas.clientWidth, height: HEIGHT });
  }

  #draw() {
    const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    this.made = new uPlot(
      {
        width: this.canvas.clientWidth || 320,
        height: HEIGHT,
        legend: { show: false },
        cursor: { sync: { key: "plots" }, y: false, drag: { x: false, y: false } },
        scales: { y: { range: (_plot, _least, most) => [0, this.most ?? Math.max(1, (most ?? 0) * 1.08)] } },
        axes: [
          { ...axis, size: 28, values: (_plot, splits) => splits.map((at) => sayMoment(at)) },
          { ...axis, size: 64, values: (_plot, splits) => splits.map((value) => `${number(value)}${this.unit}`) },
        ],
        series: [{}, ...this.names.map((name, at) => ({ label: name, stroke: seriesColor(at), width: 2, points: { show: false } }))],
        hooks: { setCursor: [(plot) => this.#tell(plot.cursor.idx)] },
      },
      this.data,
      this.canvas,
    );
    this.made.root.setAttribute("aria-hidden", "true");
  }

  /** The figures under the cursor, or the last ones: none where there was none of late, as of a worker that is gone. */
  #tell(at) {
    const last = (values) => values.slice(-LATE).findLast((value) => value !== null);
    const told = this.names.map((_name, series) => {
      const values = this.data[series + 1];
      const value = at === null || at === undefined ? last(values) : values[at];
      return value === null || value === undefined ? "–" : `${number(value)}${this.unit}`;
    });
    told.forEach((text, series) => (this.values[series].textContent = text));
    this.when.textContent = at === null || at === undefined ? "" : sayMoment(this.data[0][at], true);
    const keys = [...this.root.querySelectorAll(".key")].map((key) => key.textContent.trim());
    this.canvas.setAttribute("aria-label", `${say(this.word)}: ${keys.join(", ")} ${this.when.textContent}`);
  }

  /** With the arrow keys one looks at each sample. */
  #step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    const count = this.data[0].length;
    if (!by || !count) return;
    event.preventDefault();
    const at = Math.min(count - 1, Math.max(0, (this.made.cursor.idx ?? count) + by));
    this.made.setCursor({ left: this.made.valToPos(this.data[0][at], "x"), top: 10 });
  }
}

/** The id of a worker as the tables show it; of an engine, its name. */
function short(name) {
  return name.length > 20 ? `${name.slice(0, 6)}…${name.slice(-4)}` : name;
}

/** Those that are there: only of engines something is queued. Of many workers those that lived last. */
function namesOf(plot, found) {
  const all = Object.keys(found.series);
  if (!plot.begins) return plot.names.filter((name) => all.includes(name));
  const isEngine = (name) => `queued.${name.slice(plot.begins.length)}` in found.series;
  const named = all.filter((name) => name.startsWith(plot.begins) && isEngine(name) === (plot.of === "engines"));
  const last = (name) => found.series[name].findLastIndex((value) => value !== null);
  return named.sort((a, b) => last(b) - last(a) || (a < b ? 1 : -1)).slice(0, 6).sort();
}

async function look() {
  const found = await ask(`/samples?hours=${hours}`);
  none.textContent = say("no samples");
  none.hidden = found.at.length > 0;
  if (!found.at.length) return found.step;
  for (const plot of PLOTS) {
    const names = namesOf(plot, found);
    const key = names.join();
    if (!names.length) continue;
    if (drawn.get(plot.word)?.key !== key) {
      const made = Object.assign(new Plot(plot, names), { key });
      if (drawn.has(plot.word)) drawn.get(plot.word).root.replaceWith(made.root);
      else box.append(made.root);
      drawn.set(plot.word, made);
    }
    drawn.get(plot.word).show(found);
  }
  return found.step;
}

async function watch() {
  let step = 10;
  try {
    if (!document.hidden) step = await look();
  } catch (error) {
    none.textContent = error.message;
    none.hidden = false;
  }
  setTimeout(watch, step * 1_000);
}

dark.addEventListener("change", () => drawn.forEach((plot) => plot.redraw()));
new ResizeObserver(() => drawn.forEach((plot) => plot.fit())).observe(box);
watch();
