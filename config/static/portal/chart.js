/* Draws the usage chart from the JSON beside it, again whenever htmx, the window or the colour scheme changes it. */
(function () {
  "use strict";

  const DAY = 86400;
  const SERIES = 6;
  const DASHES = [[], [8, 4], [2, 4]];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let drawn = null;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function clock(zone, options) {
    const format = new Intl.DateTimeFormat("en-GB", Object.assign({ timeZone: zone }, options));
    return (seconds) => format.format(new Date(seconds * 1000));
  }

  /* Names for the marks of the time axis: days, or hours with the day where a new one begins. */
  function marks(zone) {
    const day = clock(zone, { day: "numeric", month: "short" });
    const hour = clock(zone, { hour: "2-digit", minute: "2-digit" });
    return (_plot, times, _axis, _space, step) =>
      times.map((time) => (step >= DAY || hour(time) === "00:00" ? day(time) : hour(time)));
  }

  function lineOf(one, index, alone) {
    const stroke = colour("--series-" + ((index % SERIES) + 1));
    const line = { label: one.label, stroke: stroke, width: 2, points: { show: false } };
    if (alone) {
      return Object.assign(line, {
        fill: stroke + "33",
        width: 1.5,
        paths: window.uPlot.paths.bars({ size: [0.7, 48], radius: 0.12 }),
      });
    }
    return Object.assign(line, { dash: DASHES[index % DASHES.length], points: { show: true, size: 5 } });
  }

  function axis(extra) {
    const line = colour("--line");
    const font = "12px " + getComputedStyle(document.body).fontFamily;
    return Object.assign(
      { stroke: colour("--muted"), font: font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } },
      extra
    );
  }

  /* Says the values under the pointer; the table holds them for everybody else. */
  function tell(readout, data) {
    const options = { weekday: "short", day: "numeric", month: "short" };
    const when = clock(data.zone, data.window === "hour" ? Object.assign(options, { hour: "2-digit", minute: "2-digit" }) : options);
    const number = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 3 });
    return (plot) => {
      const index = plot.cursor.idx;
      if (index === null || index === undefined) {
        readout.textContent = "";
        return;
      }
      const values = data.series.map((one) => one.label + " " + number.format(Number(one.quantities[index])));
      readout.textContent = when(data.times[index]) + " · " + values.join(" · ") + " " + data.unit;
    };
  }

  function optionsOf(data, box) {
    const alone = data.series.length === 1;
    const reach = data.window === "hour" ? 3600 : DAY;
    return {
      width: box.clientWidth,
      height: 280,
      padding: [12, alone ? 8 : 28, 0, 0],
      tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), data.zone),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { show: !alone } },
      scales: {
        x: { range: (_plot, from, to) => (alone ? [from - reach / 2, to + reach / 2] : [from, to]) },
        y: { range: (_plot, low, high) => [Math.min(low, 0), high > 0 ? high * 1.06 : 1] },
      },
      series: [{}].concat(data.series.map((one, index) => lineOf(one, index, alone))),
      axes: [axis({ values: marks(data.zone), space: 64, size: 34 }), axis({ size: 52 })],
      hooks: { setCursor: [tell(box.parentElement.querySelector(".readout"), data)] },
    };
  }

  function draw() {
    if (drawn) {
      drawn.destroy();
      drawn = null;
    }
    const box = document.querySelector("[data-chart]");
    if (!box) {
      return;
    }
    const data = JSON.parse(document.getElementById(box.dataset.chart).textContent);
    // A bar of nothing is no bar: null leaves it out.
    const shown = (text) => (data.series.length === 1 ? Number(text) || null : Number(text));
    const values = data.series.map((one) => one.quantities.map(shown));
    drawn = new window.uPlot(optionsOf(data, box), [data.times].concat(values), box);
  }

  function fit() {
    const box = document.querySelector("[data-chart]");
    if (drawn && box) {
      drawn.setSize({ width: box.clientWidth, height: 280 });
    }
  }

  document.addEventListener("DOMContentLoaded", draw);
  document.addEventListener("htmx:afterSettle", draw);
  window.addEventListener("resize", fit);
  dark.addEventListener("change", draw);
})();
