// Curves by step: every panel some run has values for, and any other metric on demand.
"use strict";
(() => {
  const { el, empty } = FFR;
  const state = { smoothing: 0.6, hidden: new Set(), metric: "" };

  function lines(data, stage, metrics) {
    const runs = FFR.head.runs;
    return runs.flatMap((run, r) => {
      const found = data[r][stage];
      if (!found || state.hidden.has(r)) return [];
      return metrics.flatMap((metric, m) => (found.values[metric] ? [{
        label: [runs.length > 1 && run.name, (metrics.length > 1 || runs.length === 1) && metric]
          .filter(Boolean).join(" · ") || metric,
        run: r, series: metrics.length === 1 ? r : m, steps: found.steps, values: found.values[metric],
      }] : []));
    });
  }

  function panel(data, { title, stage, metrics }) {
    const list = lines(data, stage, metrics);
    if (!list.length) return null;
    const holder = el("div", { class: "chart" });
    const card = FFR.format.card(title, holder);
    requestAnimationFrame(() => {
      if (holder.isConnected) FFR.charts.lines(holder, list, { smoothing: state.smoothing, title });
    });
    return card;
  }

  function every(data) {
    const found = new Map();
    data.forEach((run) => Object.entries(run).forEach(([stage, { values }]) =>
      Object.keys(values).forEach((name) => found.set(`${stage}: ${name}`, [stage, name]))));
    return found;
  }

  async function draw(main) {
    const data = await FFR.chunk("curves");
    const known = every(data);
    const charts = el("div", { class: "cards wide", id: "charts" });
    function redraw() {
      FFR.charts.clear();
      const [stage, name] = known.get(state.metric) || [];
      empty(charts, name && panel(data, { title: state.metric, stage, metrics: [name] }),
        FFR.head.panels.map((p) => panel(data, p)));
    }
    const controls = el("div", { class: "card row" },
      el("label", {}, "smoothing", el("input", {
        id: "smoothing", type: "range", min: 0, max: 0.98, step: 0.02, value: state.smoothing,
        oninput: (event) => { state.smoothing = Number(event.target.value); redraw(); } })),
      FFR.head.runs.length > 1 && FFR.head.runs.map((run, r) => el("label", {}, el("input", {
        type: "checkbox", checked: !state.hidden.has(r), onchange: (event) => {
          state.hidden[event.target.checked ? "delete" : "add"](r);
          redraw();
        } }), run.name)),
      el("span", { class: "grow" }),
      el("label", {}, "any metric", el("select", { id: "metric", onchange: (event) => {
        state.metric = event.target.value;
        redraw();
      } }, el("option", { value: "" }, "–"), [...known.keys()].sort().map((name) =>
        el("option", { value: name, selected: name === state.metric }, name)))));
    empty(main, controls, charts);
    if (known.size) redraw();
    else empty(charts, el("p", { class: "muted" }, "The run has no metrics yet."));
  }

  FFR.view({ id: "curves", title: "Curves", draw, leave: FFR.charts.clear });
})();
