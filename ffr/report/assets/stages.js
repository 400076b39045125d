// Evaluations over the stages: accuracy, TAC, VAS and whatever else was measured.
"use strict";
(() => {
  const { el, empty } = FFR;
  const { rate, words, grid, card } = FFR.format;

  function metricCard(metric) {
    const some = FFR.head.runs.filter((run) => run.stages && run.stages.values[metric]);
    const names = [...new Set(some.flatMap((run) => run.stages.names))];
    const many = some.length > 1;
    const rows = [];
    const lines = [];
    some.forEach((run, r) => run.stages.families.forEach((family, f) => {
      const own = run.stages.values[metric][family];
      if (!own || own.every((value) => value === null)) return;
      const value = (name) => { const i = run.stages.names.indexOf(name); return i < 0 ? null : own[i]; };
      const label = [many && run.name, family].filter(Boolean).join(" · ");
      rows.push([label, ...names.map((name) => rate(value(name)))]);
      lines.push({ label, run: r, series: f, steps: names.map((_, i) => i), values: names.map(value) });
    }));
    const holder = el("div", { class: "chart" });
    if (names.length > 1) {
      requestAnimationFrame(() => holder.isConnected && FFR.charts.lines(holder, lines, {
        title: metric, names: names.map(words), sync: false, x: "evaluation" }));
    }
    return card(words(metric), grid(["questions", ...names.map(words)], rows), names.length > 1 && holder);
  }

  FFR.view({ id: "stages", title: "Evaluation", leave: FFR.charts.clear, draw: (main) => {
    FFR.charts.clear();
    const metrics = [...new Set(FFR.head.runs.flatMap((run) => (run.stages ? run.stages.metrics : [])))];
    empty(main, metrics.length ? el("div", { class: "cards wide" }, metrics.map(metricCard))
      : el("p", { class: "muted" }, "Nothing was evaluated yet."));
  } });
})();
