"use strict";
// The unit table: sorted, filtered and paged in the page. Its first page is there without it.
(() => {
  const source = document.getElementById("unit-data");
  const table = document.getElementById("unit-table");
  if (!source || !table) return;
  const data = JSON.parse(source.textContent);
  const form = document.getElementById("unit-filter");
  const pager = document.getElementById("unit-pager");
  const status = document.getElementById("unit-status");
  const NONE = "\u2013", MINUS = "\u2212";

  const TYPES = { u1: Uint8Array, i2: Int16Array, i4: Int32Array, f4: Float32Array };
  function unpack(packed) {
    if ("all" in packed) return new Float64Array(data.n).fill(packed.all);
    const bytes = Uint8Array.from(atob(packed.base64), (c) => c.charCodeAt(0));
    return new TYPES[packed.type](bytes.buffer);
  }
  const values = {};
  for (const [name, packed] of Object.entries(data.values)) {
    if (name === "name") values.name = packed.split("\n");
    else values[name] = unpack(packed);
  }
  const label = (name, i) => data.values[name].labels[values[name][i]];
  const cards = new Set(data.cards);

  const grouped = (text) => text.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  function fixed(value, digits = 2) {
    if (!Number.isFinite(value)) return (value < 0 ? MINUS : "") + "∞";
    let text = Math.abs(value).toFixed(digits);
    const sign = value < 0 && Number(text) !== 0 ? MINUS : "";
    const [whole, part] = text.split(".");
    return sign + grouped(whole) + (part ? "." + part : "");
  }
  function timesPower(mantissa, exponent) {
    const sup = document.createElement("sup");
    sup.textContent = (exponent < 0 ? MINUS : "") + Math.abs(exponent);
    return [`${mantissa} × 10`, sup];
  }
  function general(value) {
    if (value === 0) return "0";
    if (!Number.isFinite(value)) return fixed(value);
    const [mantissa, power] = value.toExponential(2).split("e");
    const exponent = Number(power);
    if (exponent > -4 && exponent < 5) {
      return fixed(Number(value.toExponential(2)), Math.max(2 - exponent, 0));
    }
    return timesPower(fixed(Number(mantissa), 2), exponent);
  }
  function power(log10) {
    if (log10 === -Infinity) return "0";
    if (log10 >= -3) return String(Number((10 ** log10).toPrecision(2)));
    let exponent = Math.floor(log10);
    let mantissa = Math.round(10 ** (log10 - exponent) * 10) / 10;
    if (mantissa >= 10) [mantissa, exponent] = [1, exponent + 1];
    return timesPower(mantissa.toFixed(1), exponent);
  }
  const WRITE = {
    whole: (v) => grouped(String(Math.trunc(v))).replace("-", MINUS),
    fixed: (v) => fixed(v),
    auc: (v) => fixed(v, 3),
    percent: (v) => fixed(100 * v, 1) + "%",
    general,
    power,
    interval: (v, low, high) => `${fixed(v)} [${fixed(low)}, ${fixed(high)}]`,
    plus_minus: (v, error) => `${fixed(v, 3)} ± ${fixed(error, 3)}`,
    yes: (v) => (v ? "yes" : "no"),
    side: (v) => data.sides[v] ?? NONE,
  };
  function write(column, i) {
    const [first] = column.needs;
    if (column.kind === "text") return values[first][i];
    if (column.kind === "status") return (label(first, i) ?? NONE).replaceAll("_", " ");
    const numbers = column.needs.map((need) => values[need][i]);
    return Number.isNaN(numbers[0]) ? NONE : WRITE[column.kind](...numbers);
  }

  const state = { sort: -1, down: false, page: 0, rows: [] };
  const order = new Intl.Collator("en", { numeric: true });
  function comparison(column) {
    const [first] = column.needs;
    const sign = state.down ? -1 : 1;
    if (column.kind === "text") {
      return (a, b) => sign * order.compare(values[first][a], values[first][b]);
    }
    if (column.kind === "status") {
      return (a, b) => sign * order.compare(label(first, a) ?? "", label(first, b) ?? "");
    }
    const of = values[first];
    return (a, b) => {
      const [x, y] = [of[a], of[b]];
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return sign * (x - y);
    };
  }
  function choose() {
    const fields = form.elements;
    const text = fields.unit.value.trim().toLowerCase();
    const [layer, site] = [fields.layer.value, fields.site.value];
    const [side, state_] = [fields.side.value, fields.status.value];
    const keep = [];
    for (let i = 0; i < data.n; i++) {
      if (text && !values.name[i].toLowerCase().includes(text)) continue;
      if (layer && values.layer[i] !== Number(layer)) continue;
      if (site && label("site", i) !== site) continue;
      if (side && values[data.side][i] !== Number(side)) continue;
      if (state_ && label("status", i) !== state_) continue;
      if (fields.significant.checked && !values.significant[i]) continue;
      keep.push(i);
    }
    if (state.sort >= 0) keep.sort(comparison(data.columns[state.sort]));
    state.rows = keep;
  }

  function row(i) {
    const line = document.createElement("tr");
    data.columns.forEach((column, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) cell.scope = "row";
      if (column.number) cell.className = "number";
      const text = document.createElement("bdi");
      text.append(...[write(column, i)].flat());
      if (!place && cards.has(i)) {
        const link = document.createElement("a");
        link.href = "#card-" + values.name[i];
        link.append(text);
        cell.append(link);
      } else {
        cell.append(text);
      }
      line.append(cell);
    });
    return line;
  }
  function show() {
    const size = Number(form.elements.size.value);
    const pages = Math.max(1, Math.ceil(state.rows.length / size));
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const first = state.page * size;
    const rows = state.rows.slice(first, first + size);
    table.tBodies[0].replaceChildren(...rows.map(row));
    const n = grouped(String(state.rows.length));
    const span = rows.length
      ? `${grouped(String(first + 1))} to ${grouped(String(first + rows.length))} of ${n}`
      : "None";
    const all = grouped(String(data.n));
    status.textContent = rows.length
      ? `Units ${span}${state.rows.length < data.n ? ` that match, of ${all}` : ""}`
      : `No unit of the ${all} matches.`;
    for (const button of pager.querySelectorAll("button")) {
      const back = button.value === "first" || button.value === "previous";
      button.disabled = back ? state.page === 0 : state.page === pages - 1;
    }
    document.getElementById("unit-page").textContent = `Page ${state.page + 1} of ${pages}`;
  }
  function mark() {
    [...table.tHead.rows[0].cells].forEach((cell, place) => {
      if (place === state.sort) {
        cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      } else cell.removeAttribute("aria-sort");
    });
  }
  function refresh() {
    choose();
    show();
  }

  // Words are first sorted upwards; of numbers the largest are looked for, of p-values the least.
  const startsDown = (column) => column.number && column.kind !== "power";
  [...table.tHead.rows[0].cells].forEach((cell, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      state.down = state.sort === place ? !state.down : startsDown(data.columns[place]);
      [state.sort, state.page] = [place, 0];
      mark();
      refresh();
    });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    state.page = 0;
    refresh();
  });
  form.addEventListener("reset", () => {
    [state.sort, state.down, state.page] = [-1, false, 0];
    mark();
    setTimeout(refresh);
  });
  pager.addEventListener("click", (event) => {
    const move = event.target.value;
    if (move === "first") state.page = 0;
    else if (move === "last") state.page = Infinity;
    else if (move === "next") state.page += 1;
    else if (move === "previous") state.page -= 1;
    else return;
    const button = event.target;
    show();
    // A disabled button would drop the keyboard's place.
    if (button.disabled) pager.querySelector("button:not(:disabled)")?.focus();
  });
  form.hidden = pager.hidden = status.hidden = false;
  document.querySelector("#unit-caption span").textContent = source.dataset.caption;
  refresh();
})();
