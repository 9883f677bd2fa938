"use strict";
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  // The palette's blue is too dim on a dark page; the same hue, lighter.
  const BLUE = /#0072B2/g;
  const LIGHTER_BLUE = "#3B98DD";

  // A figure in a folded part has no width: it is drawn when the part is opened.
  const folded = (element) => element.closest("details:not([open])") !== null;

  function draw(within = document) {
    for (const source of within.querySelectorAll("script[data-for]")) {
      if (folded(source)) continue;
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

  // A link to a folded part, or into one, opens it.
  function unfold() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const part = target?.closest("details");
    if (!part || part.open) return;
    part.open = true;
    target.scrollIntoView();
    part.querySelector("summary").focus({ preventScroll: true });
  }

  draw();
  for (const part of document.querySelectorAll("details")) {
    part.addEventListener("toggle", () => part.open && draw(part));
  }
  addEventListener("hashchange", unfold);
  unfold();
  dark.addEventListener("change", () => draw());
  // What is folded on the screen is part of a printed page.
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
    draw();
  });
})();
