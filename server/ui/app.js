// The page at `/`: asks the HTTP API and draws what it answers. No libraries, no build step.
"use strict";

const $ = (id) => document.getElementById(id);
const SERIES_DRAWN_MAX = 100;
const ROWS_MAX = 1000;
const MARGIN = { left: 64, right: 12, top: 10, bottom: 24 };

let shown = { series: [], start: 0, end: 1, hidden: new Set() };
let asked = 0;

async function call(path, params) {
  const response = await fetch("/api/v1/" + path, params
    ? { method: "POST", body: new URLSearchParams(params) }
    : undefined);
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || response.statusText);
  }
  if (answer.status !== "success") throw new Error(answer.error);
  return answer;
}

function element(name, text, attributes = {}) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

// Labels as PromQL writes them, the metric name in front.
function seriesName(metric) {
  const { __name__: name = "", ...labels } = metric;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return pairs.length || !name ? `${name}{${pairs.join(", ")}}` : name;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return `${count >= 100 || unit === 0 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

function short(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e15)) return value.toExponential(2);
  for (const [unit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (size >= unit) return `${+(value / unit).toPrecision(4)}${letter}`;
  }
  return String(+value.toPrecision(4));
}

// --- state of the store

async function showState() {
  try {
    const { data } = await call("status/kymo");
    $("version").textContent = data.version;
    $("open").hidden = !data.open_to_network;
    $("clear").hidden = !data.shows_secrets;
    const levels = Object.entries(data.levels);
    const blocks = levels.reduce((sum, [, level]) => sum + level.blocks, 0);
    const size = levels.reduce((sum, [, level]) => sum + level.bytes, 0);
    const facts = [
      ["series", data.series.toLocaleString()],
      ["blocks", `${blocks} (${bytes(size)})`],
      ["WAL", `${data.wal_segments} (${bytes(data.wal_bytes)})`],
      ["head", bytes(data.head_bytes)],
      ["memory", bytes(data.resident_bytes)],
      ["up", duration(Date.now() - data.start_ms)],
    ];
    $("state").replaceChildren(...facts.map(([name, value]) => {
      const pair = element("div");
      pair.append(element("dt", name), element("dd", value));
      return pair;
    }));
  } catch (error) {
    $("state").replaceChildren(element("div", `no state: ${error.message}`));
  }
}

function duration(ms) {
  const minutes = Math.floor(ms / 60000);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} d`;
}

// --- queries

async function ask() {
  const query = $("expr").value.trim();
  if (!query) return;
  remember();
  const ticket = ++asked;
  const end = $("end").value ? new Date($("end").value).getTime() / 1000 : Date.now() / 1000;
  const range = Number($("range").value);
  const step = Math.max(1, Math.round(range / 400));
  const begin = performance.now();
  const [instant, graph] = await Promise.allSettled([
    call("query", { query, time: end }),
    call("query_range", { query, start: end - range, end, step }),
  ]);
  // An answer that comes after that of a later question is of no interest.
  if (ticket !== asked) return;
  $("took").textContent = `${Math.round(performance.now() - begin)} ms`;
  const failed = instant.status === "rejected" ? instant.reason : null;
  $("error").hidden = !failed;
  $("error").textContent = failed ? failed.message : "";
  showTable(failed ? null : instant.value.data);
  const answer = graph.status === "fulfilled" ? graph.value : null;
  const notes = answer || (failed ? {} : instant.value);
  $("notes").replaceChildren(...[...(notes.warnings || []), ...(notes.infos || [])].map((note) => element("li", note)));
  showGraph(answer ? answer.data.result : [], end - range, end);
}

function remember() {
  const url = new URL(location.href);
  url.search = new URLSearchParams({ expr: $("expr").value, range: $("range").value, end: $("end").value });
  history.replaceState(null, "", url);
}

function recall() {
  const params = new URLSearchParams(location.search);
  // The second name is Prometheus's own: links from alerts and from Grafana have it.
  const expr = params.get("expr") || params.get("g0.expr");
  if (params.get("range")) $("range").value = params.get("range");
  if (params.get("end")) $("end").value = params.get("end");
  if (expr) {
    $("expr").value = expr;
    ask();
  }
}

function rowsOf(data) {
  if (!data) return [];
  if (data.resultType === "scalar" || data.resultType === "string") return [["", data.result[1]]];
  return data.result.map((element) => {
    const name = seriesName(element.metric);
    if (element.value) return [name, element.value[1]];
    if (element.histogram) return [name, `count ${element.histogram[1].count}, sum ${element.histogram[1].sum}`];
    const points = element.values || element.histograms;
    return [name, `${points.length} samples`];
  });
}

function showTable(data) {
  const rows = rowsOf(data);
  const body = $("table").tBodies[0];
  body.replaceChildren(...rows.slice(0, ROWS_MAX).map(([name, value]) => {
    const row = element("tr");
    row.append(element("td", name), element("td", value, { class: "number" }));
    return row;
  }));
  if (rows.length > ROWS_MAX) {
    body.append(element("tr")).append(element("td", `${rows.length - ROWS_MAX} more`));
  }
  if (data && !rows.length) body.append(element("tr", "no data"));
}

// --- graph

function showGraph(result, start, end) {
  const series = result.filter((one) => one.values).slice(0, SERIES_DRAWN_MAX).map((one, i) => ({
    name: seriesName(one.metric),
    points: one.values.map(([time, value]) => [time, Number(value)]).filter(([, value]) => Number.isFinite(value)),
    color: `hsl(${(i * 137.5 + 210) % 360} 65% ${matchMedia("(prefers-color-scheme: dark)").matches ? 62 : 42}%)`,
  }));
  const hidden = new Set([...shown.hidden].filter((name) => series.some((one) => one.name === name)));
  shown = { series, start, end, hidden };
  $("figure").hidden = series.length === 0;
  $("tip").hidden = true;
  $("legend").replaceChildren(...series.map(legendEntry));
  if (result.length > SERIES_DRAWN_MAX) $("legend").append(`first ${SERIES_DRAWN_MAX} of ${result.length} series`);
  draw();
}

function legendEntry(series) {
  const entry = element("span", undefined, { title: "click to hide" });
  const swatch = element("i");
  swatch.style.background = series.color;
  entry.append(swatch, series.name);
  entry.classList.toggle("off", shown.hidden.has(series.name));
  entry.addEventListener("click", () => {
    if (!shown.hidden.delete(series.name)) shown.hidden.add(series.name);
    entry.classList.toggle("off");
    draw();
  });
  return entry;
}

// What maps times and values to places on the canvas.
function scales(width, height) {
  const visible = shown.series.filter((series) => !shown.hidden.has(series.name));
  let low = Infinity;
  let high = -Infinity;
  for (const { points } of visible) {
    for (const [, value] of points) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) [low, high] = [0, 1];
  if (low === high) [low, high] = [low - Math.abs(low || 1) * 0.5, high + Math.abs(high || 1) * 0.5];
  const span = shown.end - shown.start || 1;
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  return {
    visible, low, high,
    x: (time) => MARGIN.left + ((time - shown.start) / span) * inner.width,
    y: (value) => MARGIN.top + (1 - (value - low) / (high - low)) * inner.height,
    time: (x) => shown.start + ((x - MARGIN.left) / inner.width) * span,
  };
}

function draw(pointer) {
  const canvas = $("graph");
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const scale = scales(width, height);
  drawAxes(pen, scale, width, height);
  pen.lineWidth = 1.4;
  const gap = ((shown.end - shown.start) / 400) * 3;
  for (const { points, color } of scale.visible) {
    pen.strokeStyle = pen.fillStyle = color;
    pen.beginPath();
    let before = -Infinity;
    for (const [time, value] of points) {
      // A line over a gap would show values that nobody has measured.
      if (time - before > gap) pen.moveTo(scale.x(time), scale.y(value));
      else pen.lineTo(scale.x(time), scale.y(value));
      before = time;
    }
    pen.stroke();
    if (points.length === 1) pen.fillRect(scale.x(points[0][0]) - 2, scale.y(points[0][1]) - 2, 4, 4);
  }
  if (pointer) drawPointer(pen, scale, pointer, height);
}

function niceStep(span, count) {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) || rough;
}

function drawAxes(pen, scale, width, height) {
  const style = getComputedStyle(document.documentElement);
  pen.strokeStyle = style.getPropertyValue("--line");
  pen.fillStyle = style.getPropertyValue("--faint");
  pen.font = "11px system-ui, sans-serif";
  pen.lineWidth = 1;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  const step = niceStep(scale.high - scale.low, 5);
  for (let i = Math.ceil(scale.low / step); i * step <= scale.high; i += 1) {
    const y = Math.round(scale.y(i * step)) + 0.5;
    pen.beginPath();
    pen.moveTo(MARGIN.left, y);
    pen.lineTo(width - MARGIN.right, y);
    pen.stroke();
    pen.fillText(short(i * step), MARGIN.left - 6, y);
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  const count = Math.max(2, Math.floor(width / 140));
  const days = shown.end - shown.start > 2 * 86400;
  for (let i = 0; i <= count; i += 1) {
    const time = shown.start + ((shown.end - shown.start) * i) / count;
    const date = new Date(time * 1000);
    const label = days ? date.toLocaleDateString([], { month: "short", day: "numeric" }) : date.toLocaleTimeString();
    pen.fillText(label, Math.min(Math.max(scale.x(time), 30), width - 34), height - MARGIN.bottom + 7);
  }
}

function drawPointer(pen, scale, pointer, height) {
  const time = scale.time(pointer.x);
  let best = null;
  for (const series of scale.visible) {
    for (const [at, value] of series.points) {
      const distance = Math.hypot(scale.x(at) - pointer.x, scale.y(value) - pointer.y);
      if (!best || distance < best.distance) best = { series, at, value, distance };
    }
  }
  const tip = $("tip");
  tip.hidden = !best || time < shown.start || time > shown.end;
  if (tip.hidden) return;
  pen.strokeStyle = pen.fillStyle = best.series.color;
  pen.beginPath();
  pen.arc(scale.x(best.at), scale.y(best.value), 4, 0, 2 * Math.PI);
  pen.fill();
  tip.textContent = `${new Date(best.at * 1000).toLocaleString()}  ${best.value}  ${best.series.name}`;
  const right = pointer.x > $("graph").clientWidth / 2;
  tip.style.left = right ? "auto" : `${pointer.x + 14}px`;
  tip.style.right = right ? `${$("graph").clientWidth - pointer.x + 14}px` : "auto";
  tip.style.top = `${Math.min(pointer.y + 10, height - 40)}px`;
}

// --- events

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
$("expr").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    ask();
  }
});
for (const id of ["range", "end"]) $(id).addEventListener("change", ask);
$("graph").addEventListener("mousemove", (event) => draw({ x: event.offsetX, y: event.offsetY }));
$("graph").addEventListener("mouseleave", () => {
  $("tip").hidden = true;
  draw();
});
window.addEventListener("resize", () => draw());
setInterval(() => {
  if (document.hidden) return;
  showState();
  if ($("refresh").checked) ask();
}, 5000);
showState();
recall();
