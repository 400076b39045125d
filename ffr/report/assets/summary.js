// What ran, on what, with which result, and what to be careful about.
"use strict";
(() => {
  const { el, empty } = FFR;
  const { number, rate, seconds, share, words, table, grid, card } = FFR.format;
  const MEASURES = [["before", "before"], ["after", "after"],
    ["patched_before", "before, with patch"], ["patched_after", "after, with patch"]];

  function accuracy(runs) {
    const some = runs.filter((run) => run.overview.accuracy.length);
    if (!some.length) return null;
    const many = runs.length > 1;
    const families = [...new Set(some.flatMap((run) => run.overview.accuracy.map((row) => row.family)))];
    families.sort((a, b) => (a === "all") - (b === "all") || (a < b ? -1 : 1));
    const rows = families.flatMap((family) => some.map((run, i) => {
      const row = run.overview.accuracy.find((r) => r.family === family);
      const cells = row ? [number(row.n), ...MEASURES.map(([key]) => rate(row[key]))] : [];
      return many ? [i ? "" : family, run.name, ...cells] : [family, ...cells];
    }));
    const heads = ["questions", ...(many ? ["run"] : []), "n", ...MEASURES.map(([, name]) => name)];
    return card("Accuracy on the test split, greedy", grid(heads, rows, { class: "accuracy" }));
  }

  function outcomes(run, place) {
    const letters = Object.entries(run.overview.letters);
    const families = Object.entries(run.overview.outcomes);
    if (!families.length) return null;
    const link = (letter, what) => el("a", { href: FFR.address("rollouts", place), class: "outcome",
      onclick: () => FFR.filters.only(place, letter), title: "show these rollouts" },
    FFR.outcomes.cell(letter), ` ${what}`);
    const all = families.map(([, counts]) => Object.values(counts).reduce((a, b) => a + b, 0));
    return card("What became of the first answers", grid(
      ["", ...families.map(([family]) => family)],
      letters.map(([letter, what]) => [link(letter, what),
        ...families.map(([, counts], i) => share(counts[letter] || 0, all[i]))])));
  }

  function stages(run) {
    const rows = Object.entries(run.overview.stages).map(([name, stage]) =>
      [name, `${number(stage.steps)} steps, ${seconds(stage.seconds)}${stage.done ? "" : ", unfinished"}`]);
    return rows.length ? rows : [];
  }

  function one(run, place, many) {
    const o = run.overview;
    const { patches, videos, media_root } = run.missing;
    const pictures = Object.entries(videos).map(([why, n]) => `${number(n)} videos: ${why}`);
    if (media_root) pictures.push("the videos are not where the run had them: give --media-root");
    if (patches) pictures.push(`${number(patches)} patches are no longer in the store`);
    return [
      many && el("h2", { class: "run" }, run.name),
      o.numbers.length > 0 && el("div", { class: "numbers" }, o.numbers.map((n) => el("div", { class: "number" },
        el("b", {}, number(n.value)),
        el("span", {}, n.name, n.of ? ` (${Math.round(100 * n.value / n.of)}\u00a0%)` : "")))),
      el("div", { class: "cards" },
        card("Findings", o.notices.map((n) => el("div", { class: `notice ${n.level}` },
          el("b", {}, n.title), n.text)),
        pictures.length > 0 && el("div", { class: "notice" }, el("b", {}, "Pictures left out"),
          pictures.join("; "))),
        o.command.length > 0 && card("Run it again", el("pre", {}, o.command.join("\n")),
          el("details", {}, el("summary", {}, "versions and hashes"),
            table(Object.entries({ ...o.versions, ...o.hashes }).map(([k, v]) => [k, el("code", {}, v)])))),
        card("What ran", table([["status", `${o.status}${o.seconds ? ` after ${seconds(o.seconds)}` : ""}`],
          ...stages(run), ...o.facts])),
        outcomes(run, place)),
    ];
  }

  FFR.view({ id: "summary", title: "Summary", draw: (main) => {
    FFR.charts.clear();
    const { runs } = FFR.head;
    empty(main, accuracy(runs), runs.map((run, i) => one(run, i, runs.length > 1)),
      el("p", { class: "muted" }, `Made by ${FFR.head.made_by}. Nothing on this page leaves your machine.`));
  } });
})();
