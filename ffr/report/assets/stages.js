// Evaluations over the stages: accuracy, TAC, VAS and whatever else was measured.
"use strict";
(() => {
  const { el, empty } = FFR;
  const { rate, words, grid, card } = FFR.format;

  function metricCard(metric) {
    const some = FFR.head.runs.filter((run) => run.stages && run.stages.values[metric]);
    const names = [...new Set(some.flatMap((run) => run.stages.names))];
    const many = some.filter((run) => run.is_run).length > 1;
    // Folders of single evaluations are stages of one another: columns, not rows.
    const found = new Map();
    some.forEach((run, r) => run.stages.families.forEach((family, f) => {
      const own = run.stages.values[metric][family];
      if (!own || own.every((value) => value === null)) return;
      const label = [many && run.is_run && run.name, family].filter(Boolean).join(" · ");
      if (!found.has(label)) found.set(label, { run: run.is_run ? r : 0, series: f, values: new Map() });
      run.stages.names.forEach((name, i) => found.get(label).values.set(name, own[i]));
    }));
    const value = (line, name) => (line.values.has(name) ? line.values.get(name) : null);
    const rows = [...found].map(([label, line]) => [label, ...names.map((name) => rate(value(line, name)))]);
    const lines = [...found].map(([label, line]) => ({ label, run: line.run, series: line.series,
      steps: names.map((_, i) => i), values: names.map((name) => value(line, name)) }));
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
