// What the teacher did, what it cost, where it failed, how often its patches served.
"use strict";
(() => {
  const { el, empty } = FFR;
  const { number, seconds, share, words, table, card } = FFR.format;
  const LATENCY = { p50: "half are faster than", p90: "90 % are faster than", p99: "99 % are faster than" };

  function one(run, many) {
    const t = run.teacher;
    if (!t) return el("p", { class: "muted" }, `${run.name}: no teacher was asked.`);
    const { spend, reuse } = t;
    return [many && el("h2", { class: "run" }, run.name), el("div", { class: "cards" },
      card("Diagnoses", table([
        ["failures taken up", number(t.asked)],
        ["by the live teacher", number(t.live)],
        ["read from the store", share(t.store.hits, t.store.hits + t.store.misses)],
        ["second answers right", share(t.success.right, t.success.shown)],
        ["of them with the evidence in view", number(t.success.in_view)],
        ["model calls", number(t.model_calls)],
        ["model calls a diagnosis", number(t.rounds, 2)],
        ...Object.entries(t.seconds).map(([p, value]) => [LATENCY[p], seconds(value)])])),
      card("Tools", Object.keys(t.tools).length ? FFR.format.grid(["tool", "calls", "failed", "a diagnosis"],
        Object.entries(t.tools).map(([name, [calls, failed]]) =>
          [name, number(calls), share(failed, calls), number(t.live ? calls / t.live : null, 2)]))
        : el("p", { class: "muted" }, "No tool was called.")),
      card("No patch, by reason", Object.keys(t.no_patch).length
        ? table(Object.entries(t.no_patch).map(([reason, n]) => [words(reason), share(n, t.asked)]))
        : el("p", { class: "muted" }, "Every failure taken up got a patch.")),
      card("Spend", table([["tokens in", number(spend.tokens_in)], ["tokens out", number(spend.tokens_out)],
        ["cost", spend.cost === null ? "no prices are configured" : number(spend.cost, 2)]])),
      card("Reuse of patches", table([["different patches shown", number(reuse.patches)],
        ["shown in all", number(reuse.shown)],
        ...Object.entries(reuse.times).map(([n, count]) => [`shown ${n} ${n === "1" ? "time" : "times"}`, number(count)])])),
      card("Error types it named", Object.keys(t.error_types).length
        ? table(Object.entries(t.error_types).map(([name, n]) => [name, share(n, reuse.shown)]))
        : el("p", { class: "muted" }, "The store is gone.")),
      card("Everything it counted", table(Object.entries(t.counters).map(([name, value]) => [words(name), number(value)]))))];
  }

  FFR.view({ id: "teacher", title: "Teacher", draw: (main) => {
    FFR.charts.clear();
    empty(main, FFR.head.runs.map((run) => one(run, FFR.head.runs.length > 1)));
  } });
})();
