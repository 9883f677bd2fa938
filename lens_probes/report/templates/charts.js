"use strict";
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };

  function draw() {
    for (const source of document.querySelectorAll("script[data-for]")) {
      const figure = JSON.parse(source.textContent);
      figure.layout.template = dark.matches ? themes.dark : themes.light;
      // A finger that drags over a figure scrolls the page.
      if (touch) figure.layout.dragmode = false;
      Plotly.react(source.dataset.for, figure.data, figure.layout, config);
    }
  }

  draw();
  dark.addEventListener("change", draw);
  // A figure inside a closed part of the page has no width until it is opened.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
})();
