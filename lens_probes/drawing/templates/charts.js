"use strict";
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  // On a dark page the palette's blue is too dim, and the middle of its diverging scale too bright.
  const ON_DARK = { "#0072B2": "#3B98DD", "#DCDFE3": "#2A2F36" };
  const darkened = (text) => text.replace(/#0072B2|#DCDFE3/g, (colour) => ON_DARK[colour]);
  const sources = new Map(
    [...document.querySelectorAll("script[data-for]")].map((s) => [s.dataset.for, s.textContent]),
  );
  const drawn = new Set();

  function draw(name) {
    const text = sources.get(name);
    const figure = JSON.parse(dark.matches ? darkened(text) : text);
    figure.layout.template = dark.matches ? themes.dark : themes.light;
    // A finger that drags over a figure scrolls the page.
    if (touch) figure.layout.dragmode = false;
    drawn.add(name);
    Plotly.react(name, figure.data, figure.layout, {
      responsive: true,
      displaylogo: false,
      modeBarButtons: [["resetScale2d", "toImage"]],
      toImageButtonOptions: { format: "svg", filename: name },
    });
  }

  // A figure is drawn when the reader comes near it: a long report opens at once. One in a folded
  // part has no size, so it waits until that is opened.
  const near = new IntersectionObserver(
    (seen) => {
      for (const { target, isIntersecting } of seen) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        if (!drawn.has(target.id)) draw(target.id);
      }
    },
    { rootMargin: "800px 0px" },
  );
  for (const name of sources.keys()) near.observe(document.getElementById(name));

  // A link to a folded part, or into one, opens it.
  function unfold() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const part = target?.closest("details");
    if (!part || part.open) return;
    part.open = true;
    target.scrollIntoView();
    part.querySelector("summary").focus({ preventScroll: true });
  }
  addEventListener("hashchange", unfold);
  unfold();

  dark.addEventListener("change", () => drawn.forEach(draw));
  // What is folded or far away on the screen is part of a printed page.
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
    for (const name of sources.keys()) if (!drawn.has(name)) draw(name);
  });
})();
