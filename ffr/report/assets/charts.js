// Curves by step with uPlot: smoothing, several runs in one chart, values under the pointer.
"use strict";
FFR.charts = (() => {
  const COLOURS = ["--blue", "--orange", "--green", "--purple", "--red", "--sky", "--grey"];
  const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [14, 5]];
  let drawn = [];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // Exponential moving average with bias correction; gaps stay gaps.
  function smooth(values, weight) {
    if (!weight) return values;
    let mean = 0;
    let mass = 0;
    return values.map((value) => {
      if (value === null || value === undefined) return null;
      mean = weight * mean + (1 - weight) * value;
      mass = weight * mass + (1 - weight);
      return mean / mass;
    });
  }

  // lines: [{label, run, series, steps, values}]; run and series count from 0.
  function align(lines) {
    const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((a, b) => a - b);
    const place = new Map(steps.map((step, i) => [step, i]));
    const columns = lines.map((line) => {
      const column = new Array(steps.length).fill(null);
      line.steps.forEach((step, i) => { column[place.get(step)] = line.values[i]; });
      return column;
    });
    return [steps, columns];
  }

  // A chart below `holder`; returns {smooth(weight)}.
  function lines(holder, list, options = {}) {
    const [steps, columns] = align(list);
    const few = steps.length < 3;
    const names = options.names; // places instead of steps: points, no lines between them
    let weight = options.smoothing || 0;
    let plot = null;

    function series() {
      return list.map((line) => {
        const stroke = colour(COLOURS[line.series % COLOURS.length]);
        return {
          label: line.label, stroke, width: 2, spanGaps: true,
          // More lines than colours go on with other dashes.
          dash: DASHES[(line.run + Math.floor(line.series / COLOURS.length)) % DASHES.length],
          paths: names ? () => null : undefined, points: { show: few || Boolean(names), size: names ? 9 : 6 }, value: (_, value) => FFR.format.number(value) };
      });
    }

    function data() {
      return [steps, ...columns.map((column) => smooth(column, weight))];
    }

    function make() {
      if (plot) plot.destroy();
      const [ink, line] = [colour("--soft"), colour("--line")];
      const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
      plot = new uPlot({
        width: Math.max(240, holder.clientWidth), height: options.height || 210,
        scales: { x: { time: false, ...(names ? { range: [-0.4, names.length - 0.6] } : {}) } },
        axes: [{ ...axis, ...(names ? { splits: names.map((_, i) => i), values: names } : { label: options.x || "step", labelSize: 18 }), size: 34 },
          { ...axis, size: 58 }],
        series: [{ label: options.x || "step" }, ...series()],
        legend: { markers: { width: 3, dash: (_, i) => (i && list[i - 1].run ? "dashed" : "solid"), fill: () => null } },
        cursor: { sync: options.sync === false ? undefined : { key: "ffr-step" }, points: { size: 7 } },
      }, data(), holder);
      const over = holder.querySelector("canvas");
      over.setAttribute("role", "img");
      over.setAttribute("aria-label", `${options.title || "chart"}: ${list.map((l) => l.label).join(", ")}`);
    }

    make();
    const made = {
      make,
      resize: () => plot.setSize({ width: Math.max(240, holder.clientWidth), height: options.height || 210 }),
      smooth: (value) => { weight = value; plot.setData(data()); },
      destroy: () => plot.destroy(),
    };
    drawn.push(made);
    return made;
  }

  function clear() {
    drawn.forEach((made) => made.destroy());
    drawn = [];
  }

  document.addEventListener("ffr-theme", () => drawn.forEach((made) => made.make()));
  let pending = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => drawn.forEach((made) => made.resize()));
  });

  return { lines, clear };
})();
