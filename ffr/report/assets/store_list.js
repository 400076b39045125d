// The store in numbers, and its patches as a list with filters.
"use strict";
FFR.patchList = (() => {
  const { el, empty } = FFR;
  const { number, words, table, grid, card } = FFR.format;
  const PAGE = 40;
  const ERRORS = ["temporal", "spatial", "misconception"];
  const STATES = ["unreviewed", "accepted", "rejected", "damaged"];
  const LEAKS = { y: "refused by the leak gate", n: "passes the leak gate", "?": "not judged" };
  let turn = () => {};
  const filter = { state: "", leak: "", error: "", teacher: "", family: "", text: "", page: 0 };

  const index = () => FFR.chunk(FFR.head.index);
  const badge = (state) => el("span", { class: `badge ${state}` }, state);
  const errors = (found, i) => ERRORS.filter((_, bit) => Number(found.errors[i]) & (1 << bit));

  // Places in the index of the patches that fit the filter.
  function matches(found) {
    const wanted = filter.text.trim().toLowerCase();
    return found.key.map((_, i) => i).filter((i) =>
      (!filter.state || FFR.marks.state(found, i) === filter.state)
      && (!filter.leak || found.leak[i] === filter.leak)
      && (!filter.error || errors(found, i).includes(filter.error))
      && (!filter.teacher || found.teacher[i] === filter.teacher)
      && (!filter.family || found.family[i] === filter.family)
      && (!wanted || found.search[i].includes(wanted) || found.key[i].startsWith(wanted)));
  }

  function row(found, i) {
    return el("a", { class: "group", href: FFR.address("patches", found.key[i]), data: { key: found.key[i] } },
      el("span", { class: "where" }, badge(FFR.marks.state(found, i)), el("br"), found.family[i]),
      el("span", { class: "what" }, found.title[i] || found.question[i] || "unknown question",
        el("small", {}, found.question[i])),
      el("span", { class: "cells" },
        found.leak[i] === "y" && el("span", { class: "chip leak" }, "leaks"),
        errors(found, i).map((name) => el("span", { class: "chip" }, name)),
        el("span", { class: "chip" }, found.frames[i] === 1 ? "1 image" : `${found.frames[i]} images`)));
  }

  function choose(label, name, options, redraw) {
    if (options.length < 2) return null;
    return el("label", {}, label, el("select", { data: { filter: name }, onchange: (event) => {
      filter[name] = event.target.value;
      filter.page = 0;
      redraw();
    } }, el("option", { value: "" }, "all"), options.map(([value, text]) =>
      el("option", { value, selected: filter[name] === value }, text))));
  }

  const distinct = (list) => [...new Set(list)].filter(Boolean).sort().map((name) => [name, name]);

  async function drawList(main) {
    const found = await index();
    const results = el("div", { class: "results" });
    const said = el("p", { class: "muted", role: "status", id: "count" });
    const pages = el("div", { class: "row pages" });

    function redraw() {
      const fits = matches(found);
      const last = Math.max(0, Math.ceil(fits.length / PAGE) - 1);
      filter.page = Math.min(filter.page, last);
      said.textContent = `${number(fits.length)} of ${number(found.key.length)} patches`;
      empty(results, fits.slice(filter.page * PAGE, (filter.page + 1) * PAGE).map((i) => row(found, i)));
      turn = (by) => {
        const page = Math.min(last, Math.max(0, filter.page + by));
        if (page === filter.page) return;
        filter.page = page;
        redraw();
        scrollTo(0, 0);
      };
      const button = (by, text) => el("button", { type: "button", disabled: by < 0 ? filter.page === 0 : filter.page >= last,
        onclick: () => turn(by) }, text);
      empty(pages, last > 0 && [button(-1, "Back"), `page ${filter.page + 1} of ${last + 1}`, button(1, "Next")]);
    }

    empty(main, el("section", { class: "card filters" }, el("div", { class: "row" },
      el("input", { type: "search", id: "search", placeholder: "search question and patch", value: filter.text,
        "aria-label": "search question and patch",
        oninput: (event) => { filter.text = event.target.value; filter.page = 0; redraw(); } }),
      choose("review", "state", STATES.map((name) => [name, name]), redraw),
      choose("leak gate", "leak", Object.entries(LEAKS), redraw),
      choose("error", "error", ERRORS.map((name) => [name, name]), redraw),
      choose("teacher", "teacher", distinct(found.teacher), redraw),
      choose("family", "family", distinct(found.family), redraw)), said), results, pages);
    redraw();
  }

  // --- the store in numbers -------------------------------------------------------------------
  async function drawStore(main) {
    const found = await index();
    const { stats, leaks } = FFR.head;
    const counts = Object.fromEntries(STATES.map((name) => [name, 0]));
    found.key.forEach((_, i) => { counts[FFR.marks.state(found, i)] += 1; });
    const numbered = (pairs) => Object.entries(pairs).map(([name, value]) => [words(name), number(value)]);
    const tile = (value, text) => el("div", { class: "number" }, el("b", {}, value), el("span", {}, text));
    const judged = found.key.length - leaks.unjudged;
    empty(main,
      el("div", { class: "numbers" }, tile(number(found.key.length), "patches"),
        STATES.filter((name) => name !== "damaged" || counts.damaged).map((name) => tile(number(counts[name]), name)),
        tile(`${number(leaks.patches)} of ${number(judged)}`, "refused by the leak gate now")),
      leaks.unjudged > 0 && el("p", { class: "notice" }, el("b", {}, `${number(leaks.unjudged)} patches without their question`),
        "They cannot be judged for leaks, nor shown on their videos: name the question files with --questions."),
      counts.damaged > 0 && el("p", { class: "notice bad" }, el("b", {}, "Damaged marks"),
        `${number(counts.damaged)} patches are not served until somebody marks them again.`),
      stats.damaged > 0 && el("p", { class: "notice bad" }, el("b", {}, "Damaged records"),
        `${number(stats.damaged)} records cannot be read: see ffr cache verify.`),
      el("div", { class: "cards" },
        card("Requests without a patch", Object.keys(stats.failures).length ? table(numbered(stats.failures))
          : el("p", { class: "muted" }, "There are none.")),
        card("Leak rules broken", Object.keys(leaks.rules).length
          ? table(Object.entries(leaks.rules).map(([name, n]) => [words(name), number(n), FFR.head.rules[name] || ""]))
          : el("p", { class: "muted" }, "None.")),
        card("Patches", table([...numbered(stats.error_types), ...Object.entries(stats.teachers).map(([name, n]) =>
          [`by ${name}`, number(n)])])),
        card("Size of a patch", grid(["", "mean", "median", "largest"], Object.entries(stats.size).map(([name, s]) =>
          [words(name), number(s.mean), number(s.median), number(s.max)]))),
        card("Tool calls of the teacher", Object.keys(stats.tools).length
          ? grid(["tool", "calls", "failed"], Object.entries(stats.tools).map(([name, [calls, failed]]) =>
            [name, number(calls), number(failed)])) : el("p", { class: "muted" }, "None."))),
      el("p", { class: "muted" }, `${FFR.head.store}, read by ${FFR.head.made_by}`));
  }

  FFR.view({ id: "store", title: "Store", draw: drawStore });
  FFR.view({ id: "patches", title: "Patches", draw: (main, path) => {
    if (path[0]) return FFR.patch.draw(main, path[0]);
    FFR.patch.leave();
    return drawList(main);
  }, leave: () => FFR.patch.leave() });
  FFR.key("/", "search", () => document.getElementById("search")?.focus(), "patches");

  return { index, matches, badge, turn: (by) => turn(by) };
})();
