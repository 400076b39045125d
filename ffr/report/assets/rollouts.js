// The rollout browser: filters over an index that is there at once, groups loaded when opened.
"use strict";
FFR.outcomes = (() => {
  const { el } = FFR;
  const NAMES = Object.assign({}, ...FFR.head.runs.map((run) => run.overview.letters));
  const FAILURES = ["timeout", "deadline", "provider_error", "circuit_open", "invalid_output",
    "tool_failure", "blind_unknown", "media_error", "budget_spent"];

  function letter(outcome) {
    if (outcome.second) return outcome.second.right ? "F" : "N";
    if (outcome.first.right) return "R";
    if (!outcome.diagnosis) return "S";
    if (outcome.diagnosis.no_patch === "leak") return "L";
    return FAILURES.includes(outcome.diagnosis.no_patch) ? "T" : "P";
  }

  function cell(name, dim = false) {
    return el("span", { class: `cell o${name}${dim ? " dim" : ""}`, title: NAMES[name] }, name);
  }

  function legend() {
    return el("p", { class: "legend" }, Object.entries(NAMES).map(([name, what]) =>
      el("span", {}, cell(name), ` ${what}`)));
  }

  return { letter, cell, legend, NAMES };
})();

FFR.filters = (() => {
  const fresh = () => ({ outcomes: new Set(), error: "", family: "", flag: "", from: "", to: "", text: "", full: false, page: 0 });
  const state = new Map();
  const of = (run) => state.get(run) || state.set(run, fresh()).get(run);
  return { of, only: (run, letter) => { state.set(run, fresh()).get(run).outcomes.add(letter); },
    clear: (run) => state.set(run, fresh()) };
})();

(() => {
  const { el, empty } = FFR;
  const { number } = FFR.format;
  const PAGE = 40;
  const ERRORS = ["temporal", "spatial", "misconception"];
  const FLAGS = { c: "an answer cut off", m: "an answer malformed", z: "no gradient", v: "validation" };
  let list = { matches: [], run: 0 };
  let open = null;

  // --- which groups -------------------------------------------------------------------------
  function rolloutMatches(index, g, i, f) {
    if (f.outcomes.size && !f.outcomes.has(index.outcomes[g][i])) return false;
    return !f.error || (Number(index.errors[g][i]) & (1 << ERRORS.indexOf(f.error))) !== 0;
  }

  function search(index, f, found) {
    const wanted = f.text.trim().toLowerCase();
    const matches = [];
    let rollouts = 0;
    for (let g = 0; g < index.group.length; g++) {
      if (f.family && index.family[g] !== f.family) continue;
      if (f.from !== "" && index.step[g] < Number(f.from)) continue;
      if (f.to !== "" && index.step[g] > Number(f.to)) continue;
      if (f.flag && !index.flags[g].includes(f.flag)) continue;
      if (wanted && !(found ? found.has(g) : index.search[g].includes(wanted))) continue;
      let hits = 0;
      for (let i = 0; i < index.outcomes[g].length; i++) hits += rolloutMatches(index, g, i, f);
      if (!hits) continue;
      rollouts += hits;
      matches.push(g);
    }
    return { matches, rollouts };
  }

  // Groups whose whole record holds the text: every chunk is looked at, one after the other.
  async function deep(run, index, text, tell) {
    const wanted = text.trim().toLowerCase();
    const found = new Set();
    const chunks = Math.max(-1, ...index.chunk) + 1;
    const plain = (value) => (typeof value === "string" ? value
      : Array.isArray(value) ? value.map(plain).join("") : "");
    for (let c = 0; c < chunks; c++) {
      const page = await FFR.chunk(`groups-${run}-${c}`);
      const first = index.chunk.indexOf(c);
      page.groups.forEach((group, k) => {
        const texts = [index.search[first + k]];
        group.outcomes.forEach((o) => {
          texts.push(plain(o.first.text), o.second ? plain(o.second.text) : "");
          if (o.diagnosis) {
            texts.push(o.diagnosis.detail, ...o.diagnosis.looks.map((l) => `${l.name} ${l.arguments} ${l.message}`));
            const patch = page.patches[o.diagnosis.patch];
            if (patch) texts.push(plain(patch.guidance), ...patch.markers.map(plain));
          }
        });
        if (texts.join("\n").toLowerCase().includes(wanted)) found.add(first + k);
      });
      tell(c + 1, chunks);
    }
    return found;
  }

  // --- the list -----------------------------------------------------------------------------
  function row(run, index, g, f) {
    return el("a", { class: "group", href: FFR.address("rollouts", run, index.group[g], best(index, g, f)) },
      el("span", { class: "where" }, `step ${index.step[g]}`, el("br"), index.family[g]),
      el("span", { class: "what" }, index.title[g] || index.question[g],
        el("small", {}, index.question[g])),
      el("span", { class: "cells" }, [...index.outcomes[g]].map((letter, i) =>
        FFR.outcomes.cell(letter, !rolloutMatches(index, g, i, f)))));
  }

  const best = (index, g, f) => {
    const all = [...index.outcomes[g]];
    const fits = all.findIndex((_, i) => rolloutMatches(index, g, i, f));
    const repaired = all.findIndex((letter, i) => "FNLT".includes(letter) && rolloutMatches(index, g, i, f));
    return Math.max(0, repaired >= 0 && !f.outcomes.size ? repaired : fits);
  };

  async function drawList(main, run) {
    const index = await FFR.chunk(FFR.head.runs[run].index);
    const f = FFR.filters.of(run);
    const results = el("div", { class: "results" });
    const said = el("p", { class: "muted", role: "status", id: "count" });
    const pages = el("div", { class: "row pages" });
    let turn = 0;

    async function redraw() {
      const mine = ++turn;
      let found = null;
      if (f.text.trim() && f.full) {
        found = await deep(run, index, f.text, (done, all) => {
          if (mine === turn) said.textContent = `looking through ${number(done)} of ${number(all)} parts`;
        });
        if (mine !== turn) return;
      }
      const { matches, rollouts } = search(index, f, found);
      list = { matches, run };
      const last = Math.max(0, Math.ceil(matches.length / PAGE) - 1);
      f.page = Math.min(f.page, last);
      said.textContent = `${number(rollouts)} rollouts in ${number(matches.length)} of ${number(index.group.length)} groups`;
      empty(results, matches.slice(f.page * PAGE, (f.page + 1) * PAGE).map((g) => row(run, index, g, f)));
      empty(pages,
        el("button", { type: "button", disabled: f.page === 0, onclick: () => move(-1) }, "Previous"),
        el("span", {}, `page ${number(f.page + 1)} of ${number(last + 1)}`),
        el("button", { type: "button", disabled: f.page === last, onclick: () => move(1) }, "Next"));
    }
    const move = (by) => { f.page = Math.max(0, f.page + by); redraw(); };
    const change = (name, value) => { f[name] = value; f.page = 0; redraw(); };
    const select = (name, label, values) => el("label", {}, label, el("select", {
      id: `filter-${name}`, onchange: (event) => change(name, event.target.value) },
    el("option", { value: "" }, "all"), values.map(([value, text]) =>
      el("option", { value, selected: f[name] === value }, text))));
    let typing = 0;
    const bar = el("div", { class: "card filters" },
      el("div", { class: "row" }, runPicker(run), Object.entries(FFR.outcomes.NAMES).map(([letter, what]) => el("button", {
        type: "button", class: "plain toggle", "aria-pressed": f.outcomes.has(letter) ? "true" : "false",
        data: { outcome: letter }, onclick: (event) => {
          f.outcomes[f.outcomes.has(letter) ? "delete" : "add"](letter);
          event.currentTarget.setAttribute("aria-pressed", f.outcomes.has(letter));
          f.page = 0;
          redraw();
        } }, FFR.outcomes.cell(letter), ` ${what}`))),
      el("div", { class: "row" },
        select("family", "family", [...new Set(index.family)].sort().map((name) => [name, name || "none"])),
        select("error", "error type", ERRORS.map((name) => [name, name])),
        select("flag", "with", Object.entries(FLAGS)),
        el("label", {}, "steps", el("input", { type: "number", min: 0, value: f.from, "aria-label": "from step",
          id: "filter-from", oninput: (event) => change("from", event.target.value) }), "to",
        el("input", { type: "number", min: 0, value: f.to, "aria-label": "to step", id: "filter-to",
          oninput: (event) => change("to", event.target.value) })),
        el("input", { type: "search", id: "search", class: "grow", placeholder: "Search questions, answers, guidance",
          "aria-label": "search", value: f.text, oninput: (event) => {
            clearTimeout(typing);
            const { value } = event.target;
            typing = setTimeout(() => change("text", value), 150);
          } }),
        el("label", {}, el("input", { type: "checkbox", id: "full", checked: f.full,
          onchange: (event) => change("full", event.target.checked) }), "whole texts"),
        el("button", { type: "button", onclick: () => { FFR.filters.clear(run); drawList(main, run); } }, "Clear")));
    open = { kind: "list", move };
    empty(main, bar, said, results, pages);
    await redraw();
  }

  function runPicker(run) {
    if (FFR.head.runs.length < 2) return null;
    return el("label", {}, "run", el("select", { id: "run", onchange: (event) => FFR.go("rollouts", event.target.value) },
      FFR.head.runs.map((r, i) => r.index && el("option", { value: i, selected: i === run }, r.name))));
  }

  // --- a group ------------------------------------------------------------------------------
  async function drawGroup(main, run, name, picked) {
    const index = await FFR.chunk(FFR.head.runs[run].index);
    const g = index.group.indexOf(name);
    if (g < 0) throw new Error(`there is no group ${name}`);
    const page = await FFR.chunk(`groups-${run}-${index.chunk[g]}`);
    const group = page.groups[g - index.chunk.indexOf(index.chunk[g])];
    if (list.run !== run || !list.matches.includes(g)) {
      list = { run, matches: search(index, FFR.filters.of(run), null).matches };
      if (!list.matches.includes(g)) list.matches = index.group.map((_, i) => i);
    }
    const at = list.matches.indexOf(g);
    const holder = el("div", { class: "opened" });
    let line = null;
    let i = Math.min(Math.max(0, picked), group.outcomes.length - 1);
    const show = (k) => {
      i = (k + group.outcomes.length) % group.outcomes.length;
      FFR.note("rollouts", run, name, i);
      line = FFR.group.draw(holder, page, group, i, FFR.head.runs[run].first_view, show);
    };
    const turn = (by) => {
      const next = list.matches[at + by];
      if (next !== undefined) FFR.go("rollouts", run, index.group[next], best(index, next, FFR.filters.of(run)));
    };
    open = { kind: "group", turn, pick: (by) => show(i + by), step: (by) => line.step(by), back: () => FFR.go("rollouts", run) };
    empty(main, el("div", { class: "row bar" },
      el("button", { type: "button", onclick: open.back }, "← All groups"),
      el("span", { class: "muted" }, `${number(at + 1)} of ${number(list.matches.length)}`),
      el("button", { type: "button", disabled: at === 0, onclick: () => turn(-1) }, "Previous"),
      el("button", { type: "button", disabled: at === list.matches.length - 1, onclick: () => turn(1) }, "Next")), holder);
    show(i);
    scrollTo(0, 0);
  }

  async function draw(main, path) {
    FFR.charts.clear();
    const known = FFR.head.runs.findIndex((run) => run.index);
    const run = FFR.head.runs[Number(path[0])] && FFR.head.runs[Number(path[0])].index ? Number(path[0]) : known;
    if (run < 0) {
      empty(main, el("p", { class: "muted" }, "There are no rollouts."));
      return;
    }
    if (path[1]) await drawGroup(main, run, path[1], Number(path[2]) || 0);
    else await drawList(main, run);
  }

  const inGroup = (act) => () => { if (open && open.kind === "group") act(open); };
  FFR.view({ id: "rollouts", title: "Rollouts", draw });
  FFR.key("/", "search", () => { const box = document.getElementById("search"); if (box) box.focus(); }, "rollouts");
  FFR.key("j", "next group, or next page", () => open && (open.turn || open.move)(1), "rollouts");
  FFR.key("k", "previous group, or previous page", () => open && (open.turn || open.move)(-1), "rollouts");
  FFR.key("ArrowRight", "next rollout of the group", inGroup((o) => o.pick(1)), "rollouts");
  FFR.key("ArrowLeft", "previous rollout of the group", inGroup((o) => o.pick(-1)), "rollouts");
  FFR.key(".", "next moment of the timeline", inGroup((o) => o.step(1)), "rollouts");
  FFR.key(",", "previous moment of the timeline", inGroup((o) => o.step(-1)), "rollouts");
  FFR.key("Escape", "back to all groups", inGroup((o) => o.back()), "rollouts");
})();
