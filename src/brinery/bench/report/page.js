"use strict";
// Charts are drawn by hand: a chart library would be embedded whole, at a hundred times the size of this,
// for one scatter chart and one list of bars.  Texts of the results only ever become text nodes and
// attributes; styles are set through the object model, which the page's policy allows.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const state = { graph: data.graphs.length > 1 ? -1 : 0, operation: "encode" };
  const byId = (id) => document.getElementById(id);
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  const SVG = new Set(["svg", "g", "circle", "line", "text"]);

  function make(tag, attributes = {}, ...children) {
    const element = SVG.has(tag)
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function withUnit(value, units) {
    const [unit, name] = units.find(([least]) => value >= least) ?? units.at(-1);
    return `${digits.format(value / unit)} ${name}`;
  }
  const bytes = (value) => withUnit(value, [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]]);
  const seconds = (value) => withUnit(value, [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]]);
  const times = (value) => `${digits.format(value)}×`;

  // -- all shapes: each codec by its ratio to the best of a shape, which can be averaged over shapes

  function sorted(values) {
    return [...values].sort((a, b) => a - b);
  }
  function quantile(values, share) {
    const place = (values.length - 1) * share;
    const low = Math.floor(place);
    return values[low] + (values[Math.min(low + 1, values.length - 1)] - values[low]) * (place - low);
  }
  const mean = (values) => Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);

  function ratios(cases, value) {
    const best = new Map();
    const known = cases.filter((one) => value(one) > 0);
    for (const one of known) best.set(one.graph, Math.min(best.get(one.graph) ?? Infinity, value(one)));
    return new Map(known.map((one) => [one, value(one) / best.get(one.graph)]));
  }

  function summaries() {
    const measured = data.cases.filter((one) => one.measured);
    const size = ratios(measured, (one) => one.size);
    const time = {};
    for (const name of ["encode", "decode"]) time[name] = ratios(measured, (one) => one.time[name]?.[1]);
    return [...new Set(data.cases.map((one) => one.label))].map((label) => {
      const all = data.cases.filter((one) => one.label === label);
      const mine = all.filter((one) => one.measured);
      const of = (found) => sorted(mine.map((one) => found.get(one)).filter((r) => r !== undefined));
      const item = { label, speed: {}, time: {}, best: null, status: [...new Set(all.map((one) => one.status))].join(", ") };
      const sizes = of(size);
      item.size = sizes.length ? mean(sizes) : null;
      for (const name of ["encode", "decode"]) {
        const found = of(time[name]);
        item.time[name] = found.length ? [quantile(found, 0.25), mean(found), quantile(found, 0.75)] : null;
        if (item.time[name]) {
          item.time[name][0] = Math.min(item.time[name][0], item.time[name][1]);
          item.time[name][2] = Math.max(item.time[name][2], item.time[name][1]);
        }
        item.speed[name] = found.length ? 1 / mean(found) : null;
      }
      item.keeps = mine.some((one) => one.keeps === false) ? false : mine.every((one) => one.keeps) ? true : null;
      if (mine.length < data.graphs.length) item.partial = `${mine.length}/${data.graphs.length} shapes`;
      item.lines = [
        `measured on ${mine.length} of ${data.graphs.length} shapes`,
        sizes.length ? `${times(item.size)} the smallest size` : "no size",
        ...["encode", "decode"].filter((name) => item.time[name])
          .map((name) => `${name}: ${times(item.time[name][1])} the time of the fastest`),
        { true: "keeps everything", false: "loses something", null: "not known whether it keeps everything" }[item.keeps],
      ];
      return item;
    });
  }

  function shown() {
    return state.graph < 0 ? summaries() : data.cases.filter((one) => one.graph === state.graph);
  }
  function named(item) {
    const said = item.measured === false ? item.status : { true: "", false: "lossy", null: "?" }[item.keeps];
    return [item.label, said, item.partial].filter(Boolean).join(" · ");
  }
  function kind(item) {
    return [{ true: "whole", false: "lossy", null: "unknown" }[item.keeps], item.best ? "best" : ""].join(" ").trim();
  }

  // -- axes: from 0 where values are near each other, logarithmic where they are not

  function axis(values, from, to) {
    let low = Math.min(...values);
    let high = Math.max(...values);
    const log = high / low > 8;
    [low, high] = log ? [low / 1.35, high * 1.35] : [0, high * 1.12];
    const turn = log ? Math.log10 : (value) => value;
    const place = (value) => from + ((turn(value) - turn(low)) / (turn(high) - turn(low))) * (to - from);
    return { log, place, ticks: log ? decades(low, high) : steps(high) };
  }
  function decades(low, high) {
    const all = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const digit of [1, 2, 5]) all.push([digit, digit * 10 ** power]);
    const inside = all.filter(([, value]) => value >= low && value <= high);
    const tens = inside.filter(([digit]) => digit === 1);
    return (tens.length > 2 ? tens : inside).map(([, value]) => value);
  }
  function steps(high) {
    const rough = high / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((digit) => digit * power >= rough);
    return Array.from({ length: Math.floor(high / step) + 1 }, (_, n) => n * step);
  }

  // -- the chart of speed against size

  const tip = make("div", { class: "tip", hidden: "" });
  let tipped; // the mark that the tip is of

  function drawScatter(items) {
    const all = state.graph < 0;
    const operation = state.operation;
    const drawn = items.filter((one) => one.size > 0 && one.speed[operation] > 0 && one.measured !== false);
    const absent = items.filter((one) => !drawn.includes(one));
    byId("absent").textContent = absent.length
      ? `Not drawn: ${absent.map((one) => `${one.label} (${one.status})`).join(", ")}.` : "";
    const place = byId("scatter");
    tip.hidden = true;
    place.replaceChildren(tip);
    const verb = operation === "encode" ? "Encoding" : "Decoding";
    if (!drawn.length) {
      byId("scatter-explains").textContent = "No case of this shape was measured.";
      return;
    }
    const width = place.clientWidth;
    const height = Math.round(Math.max(340, Math.min(520, width * 0.55)));
    const left = 52;
    const bottom = height - 44;
    const x = axis(drawn.map((one) => one.size), left, width - 12);
    const y = axis(drawn.map((one) => one.speed[operation]), bottom, 26);
    const logs = [y.log && "speed", x.log && "size"].filter(Boolean).join(" and ");
    byId("scatter-explains").textContent = (all
      ? `${verb}, as geometric means over the shapes: speed as a share of the fastest, size as a multiple of the smallest.`
      : `${verb}: nodes per second against bytes written.`)
      + " Up and to the left is better." + (logs ? ` Logarithmic in ${logs}.` : "");
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": `${verb} speed against size` });
    drawAxes(svg, x, y, { left, bottom, right: width - 12 }, all, operation);
    const points = drawn.map((one) => ({ item: one, x: x.place(one.size), y: y.place(one.speed[operation]) }));
    const boxes = points.map((p) => [p.x - 8, p.y - 8, p.x + 8, p.y + 8]);
    const groups = points.map((p) => [p, make("g", { class: `point ${kind(p.item)}`, tabindex: "0", role: "img" })]);
    place.append(svg);
    for (const [, group] of groups) svg.append(group);
    // The recommended first: they have the choice of the places.
    let unlabelled = 0;
    for (const [p, group] of [...groups].sort(([a], [b]) => Boolean(b.item.best) - Boolean(a.item.best))) {
      group.setAttribute("aria-label", [p.item.label, ...linesOf(p.item)].join(", "));
      group.append(make("circle", { cx: p.x, cy: p.y, r: 5.5 }));
      unlabelled += !addLabel(group, p, boxes, { left, top: 18, right: width, bottom });
      const show = () => showTip(p, width);
      for (const event of ["pointerenter", "focus", "click"]) group.addEventListener(event, show);
      for (const event of ["pointerleave", "blur"]) group.addEventListener(event, () => { tip.hidden ||= tipped === p; });
    }
    if (unlabelled) byId("absent").textContent += ` Labels without room: ${unlabelled}; point at a mark, or touch it.`;
  }

  function drawAxes(svg, x, y, box, all, operation) {
    for (const value of y.ticks) {
      const at = y.place(value);
      svg.append(make("line", { class: "grid", x1: box.left, x2: box.right, y1: at, y2: at }));
      svg.append(make("text", { x: box.left - 8, y: at + 4, "text-anchor": "end" },
        all ? `${digits.format(value * 100)}%` : compact.format(value)));
    }
    for (const value of x.ticks) {
      const at = x.place(value);
      svg.append(make("line", { class: "grid", x1: at, x2: at, y1: 26, y2: box.bottom }));
      svg.append(make("text", { x: at, y: box.bottom + 17, "text-anchor": "middle" }, all ? times(value) : bytes(value)));
    }
    svg.append(make("text", { x: 0, y: 12 }, all ? `${operation} speed, of the fastest` : `${operation} speed, nodes/s`));
    svg.append(make("text", { x: box.right, y: box.bottom + 36, "text-anchor": "end" }, all ? "size, of the smallest" : "size, bytes"));
  }

  // Tries places around a mark, near ones first, until a label covers nothing.
  function addLabel(group, point, boxes, limits) {
    const words = make("text", { class: "label" }, named(point.item));
    group.append(words);
    const width = words.getComputedTextLength();
    for (const distance of [10, 18, 30, 46, 64, 84])
      for (const angle of [0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240]) {
        const across = Math.cos((angle * Math.PI) / 180);
        const x = point.x + distance * across - (width * (1 - across)) / 2;
        const y = point.y + (distance + 2) * Math.sin((angle * Math.PI) / 180);
        const box = [x - 2, y - 8, x + width + 2, y + 8];
        if (box[0] < limits.left || box[1] < limits.top || box[2] > limits.right || box[3] > limits.bottom) continue;
        if (boxes.some((b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3])) continue;
        boxes.push(box);
        words.setAttribute("x", x);
        words.setAttribute("y", y + 4);
        if (distance > 18) {
          const end = Math.max(x, Math.min(point.x, x + width));
          group.prepend(make("line", { class: "leader", x1: point.x, y1: point.y, x2: end, y2: y }));
        }
        return true;
      }
    words.remove();
    return false;
  }

  function linesOf(item) {
    return item.best ? [`recommended: ${item.best}`, ...item.lines] : item.lines;
  }

  function showTip(point, width) {
    tip.replaceChildren(make("b", {}, point.item.label), ...linesOf(point.item).map((line) => make("span", {}, line)));
    tipped = point;
    tip.hidden = false;
    const right = point.x > width / 2;
    tip.style.left = right ? "" : `${point.x + 14}px`;
    tip.style.right = right ? `${width - point.x + 14}px` : "";
    tip.style.top = `${point.y + 12}px`;
  }

  // -- bars of time

  function drawBars(items) {
    const show = state.graph < 0 ? times : seconds;
    const ops = ["encode", "decode"];
    const timed = items.filter((one) => ops.some((name) => one.time[name]?.[1] > 0));
    const values = timed.flatMap((one) => ops.flatMap((name) => one.time[name] ?? [])).filter((v) => v > 0);
    const high = Math.max(...values);
    const low = 10 ** Math.floor(Math.log10(Math.min(...values) * 0.999));
    const log = high / Math.min(...values) > 50;
    const share = (v) => 100 * (log ? Math.max(0, Math.log(v / low)) / Math.log(high / low) : v / high);
    const order = (one) => one.time[state.operation]?.[1] ?? Infinity;
    timed.sort((a, b) => order(a) - order(b));
    byId("bars-explains").textContent = timed.length
      ? (state.graph < 0 ? "Time as a multiple of the fastest: geometric mean, and quartiles over the shapes." : "Median time, with first and third quartile.")
        + ` Sorted by ${state.operation}; shorter is better.` + (log ? ` Logarithmic, from ${show(low)}.` : "")
      : "No case of this shape was measured.";
    byId("bars").replaceChildren(...timed.map((one) => make("li", { class: kind(one) },
      make("span", { class: "name" }, named(one)),
      make("div", {}, ...ops.filter((name) => one.time[name]).map((name) => barRow(name, one.time[name], share, show))))));
  }

  function barRow(name, [low, middle, high], share, show) {
    const fill = make("div", { class: "fill" });
    const spread = make("div", { class: "spread" });
    fill.style.width = `${share(middle)}%`;
    spread.style.left = `${share(low)}%`;
    spread.style.width = `${share(high) - share(low)}%`;
    return make("div", { class: `row${name === state.operation ? " chosen" : ""}`, title: `quartiles ${show(low)} to ${show(high)}` },
      make("span", {}, name), make("div", { class: "track" }, fill, spread), make("span", { class: "value" }, show(middle)));
  }

  // -- the table

  function sortBy(heads, column) {
    const head = heads[column];
    const first = head.dataset.first ?? "ascending";
    const before = head.getAttribute("aria-sort");
    const order = !before ? first : before === "ascending" ? "descending" : "ascending";
    for (const one of heads) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => data.cases[row.dataset.case].keys[column];
    const body = document.querySelector("tbody");
    body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b), sign)));
  }
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  }

  function enhanceTable() {
    const heads = [...document.querySelectorAll("thead th")];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      button.insertBefore(make("i", { "aria-hidden": "true" }), button.querySelector(".unit"));
      button.addEventListener("click", () => sortBy(heads, column));
      head.append(button);
    });
  }

  function update() {
    document.body.classList.toggle("single", state.graph >= 0);
    for (const part of document.querySelectorAll("[data-graph]"))
      part.hidden = state.graph >= 0 && Number(part.dataset.graph) !== state.graph;
    const items = shown();
    document.querySelector(".legend .one").hidden = !items.some((one) => one.best);
    drawScatter(items);
    drawBars(items);
  }

  document.documentElement.classList.add("js");
  byId("shape").value = String(state.graph);
  document.querySelector("[name=operation][value=encode]").checked = true; // browsers restore forms
  byId("shape").addEventListener("change", (event) => { state.graph = Number(event.target.value); update(); });
  for (const radio of document.getElementsByName("operation"))
    radio.addEventListener("change", () => { state.operation = radio.value; update(); });
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
  let drawnWidth = 0;
  enhanceTable();
  new ResizeObserver(() => {
    const width = byId("scatter").clientWidth;
    if (width && width !== drawnWidth) { drawnWidth = width; drawScatter(shown()); }
  }).observe(byId("scatter"));
  update();
})();
