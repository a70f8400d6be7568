"use strict";
// Draws each chart at the width it finds, draws anew when that changes, and opens everything for printing.
(() => {
  const read = (element) => JSON.parse(element.textContent);
  const shapes = document.getElementById("shapes");
  const world = shapes ? read(shapes) : null;
  const charts = Array.from(document.querySelectorAll(".chart"));

  async function draw(chart) {
    const width = Math.floor(chart.clientWidth);
    if (!width || chart.drawnWidth === width) return;
    chart.drawnWidth = width;
    const specification = read(document.getElementById(chart.dataset.chart));
    specification.width = width;
    specification.padding = 0;
    specification.config.axisY.labelLimit = width * 0.4;
    specification.autosize = { type: "fit-x", contains: "padding" };
    if (chart.dataset.ratio) {
      specification.height = Math.round(width * Number(chart.dataset.ratio));
      specification.datasets = { ...specification.datasets, world };
    }
    if (chart.view) chart.view.finalize();
    try {
      chart.view = await vegaEmbed(chart, specification, {
        actions: false, ast: true, defaultStyle: false, mode: "vega-lite", renderer: "svg",
        tooltip: { disableDefaultStyle: true },
      });
    } catch (problem) {
      const note = document.createElement("p");
      note.className = "failed";
      note.textContent = `This chart could not be drawn (${problem.message}); the tables have its figures.`;
      chart.replaceChildren(note);
    }
  }

  async function drawAll() {
    for (const chart of charts) {
      await draw(chart);
      await new Promise((resolve) => setTimeout(resolve)); // lets the reader scroll meanwhile
    }
    document.documentElement.dataset.drawn = "yes";
  }

  let waiting;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 250);
  });
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
  drawAll();
})();
