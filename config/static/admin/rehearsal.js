/* Draws how many customers would pay how much more, from the JSON beside it, again when the page or window changes. */
(function () {
  "use strict";

  const HEIGHT = 240;
  let drawn = [];

  function colour(box, name) {
    return getComputedStyle(box).getPropertyValue(name).trim();
  }

  function axis(box, extra) {
    const line = { stroke: colour(box, "--line"), width: 1 };
    const font = "12px " + getComputedStyle(document.body).fontFamily;
    return Object.assign({ stroke: colour(box, "--muted"), font: font, grid: line, ticks: line }, extra);
  }

  function plot(box) {
    const data = JSON.parse(document.getElementById(box.dataset.chart).textContent);
    const accent = colour(box, "--accent");
    const bars = window.uPlot.paths.bars({ size: [0.8, 60] });
    const options = {
      width: box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [-0.6, data.labels.length - 0.4] }, y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.05)] } },
      series: [{}, { stroke: accent, fill: accent + "66", width: 1, paths: bars, points: { show: false } }],
      axes: [
        axis(box, { space: 90, values: (_plot, marks) => marks.map((mark) => data.labels[mark] || "") }),
        axis(box, { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] }),
      ],
    };
    const places = data.labels.map((_label, place) => place);
    // A bar of nobody is no bar: null leaves it out.
    return new window.uPlot(options, [places, data.customers.map((number) => number || null)], box);
  }

  function draw() {
    drawn.forEach((one) => one.destroy());
    drawn = Array.from(document.querySelectorAll("[data-chart]"), plot);
  }

  document.addEventListener("DOMContentLoaded", draw);
  document.addEventListener("htmx:afterSettle", draw);
  window.addEventListener("resize", draw);
})();
