"use strict";
// The search of an atlas: units that follow a property, or what one unit is tuned to.
(() => {
  const data = JSON.parse(document.getElementById("atlas-data").textContent);
  const form = document.getElementById("atlas-search");
  const property = document.getElementById("atlas-property");
  const unit = document.getElementById("atlas-unit");
  const named = document.getElementById("atlas-named");
  const status = document.getElementById("atlas-status");
  const head = document.getElementById("atlas-head");
  const rows = document.getElementById("atlas-rows");
  const names = data.name.split("\n");
  const MOST = 50, NONE = "\u2013", MINUS = "\u2212";

  const number = (value, digits = 2) =>
    value === null ? NONE : value.toFixed(digits).replace("-", MINUS);
  const said = (place) => (place < 0 ? NONE : data.properties[place]);

  function cell(tag, text, isNumber) {
    const made = document.createElement(tag);
    const inner = document.createElement("bdi");
    inner.textContent = text;
    made.append(inner);
    if (isNumber) made.className = "number";
    return made;
  }
  function show(headers, table) {
    head.replaceChildren(
      ...headers.map(([text, isNumber]) => {
        const made = cell("th", text, isNumber);
        made.scope = "col";
        return made;
      }),
    );
    rows.replaceChildren(
      ...table.map((line) => {
        const row = document.createElement("tr");
        line.forEach((text, i) => {
          const made = cell(i ? "td" : "th", text, headers[i][1]);
          if (!i) made.scope = "row";
          row.append(made);
        });
        return row;
      }),
    );
  }

  function followers() {
    const name = property.value;
    const table = data.followers[name].filter(
      ([unitName]) => !named.checked || data.named[names.indexOf(unitName)],
    );
    status.textContent = `${table.length} units that follow ${data.means[name] || name}.`;
    show(
      [["unit", false], ["z", true], ["AUC", true], ["its best property", false]],
      table.map(([unitName, z, auc, best]) => [unitName, number(z), number(auc), best]),
    );
  }
  function units() {
    const asked = unit.value.trim().toLowerCase();
    const found = [];
    for (let i = 0; i < names.length && found.length < MOST; i += 1) {
      if (names[i].toLowerCase().includes(asked) && (!named.checked || data.named[i])) found.push(i);
    }
    const part = names.length < data.total ? ` of the ${names.length} surest of ${data.total}` : "";
    status.textContent = `${found.length === MOST ? "The first " : ""}${found.length} units${part}.`;
    show(
      [["unit", false], ["tuned to", false], ["z", true], ["p", true], ["AUC", true],
        ["second", false], ["its z given the first", true], ["selectivity", true]],
      found.map((i) => [
        names[i], said(data.best[i]), number(data.t[i]), number(data.p[i], 3), number(data.auc[i]),
        said(data.second[i]), number(data.partial[i]), number(data.selectivity[i]),
      ]),
    );
  }
  const update = () => (unit.value.trim() ? units() : followers());

  for (const name of data.properties) property.append(new Option(name, name));
  property.addEventListener("change", () => {
    unit.value = "";
    update();
  });
  unit.addEventListener("input", update);
  named.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  update();
})();
