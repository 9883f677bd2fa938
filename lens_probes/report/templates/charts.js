"use strict";
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  // The palette's blue is too dim on a dark page; the same hue, lighter.
  const BLUE = /#0072B2/g;
  const LIGHTER_BLUE = "#3B98DD";

  function draw() {
    for (const source of document.querySelectorAll("script[data-for]")) {
      const name = source.dataset.for;
      const text = source.textContent;
      const figure = JSON.parse(dark.matches ? text.replace(BLUE, LIGHTER_BLUE) : text);
      figure.layout.template = dark.matches ? themes.dark : themes.light;
      // A finger that drags over a figure scrolls the page.
      if (touch) figure.layout.dragmode = false;
      Plotly.react(name, figure.data, figure.layout, {
        responsive: true,
        displaylogo: false,
        modeBarButtons: [["resetScale2d", "toImage"]],
        toImageButtonOptions: { format: "svg", filename: name },
      });
    }
  }

  draw();
  dark.addEventListener("change", draw);
  // What is folded on the screen is part of a printed page.
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
})();
