// Elections: candidates, votes, overlap of the evidence, referee.
"use strict";
(() => {
  const { el, empty } = FFR;
  const { number, rate, share, seconds, moment, words, table, grid, card } = FFR.format;
  const PAGE = 50;
  const pages = new Map();

  function totals(run) {
    const t = run.elections.totals;
    return el("div", { class: "cards" }, card("Elections", table([
      ["elections", number(t.elections)], ["accuracy", rate(t.accuracy)],
      ["candidates an election", number(t.candidates, 2)], ["stopped early", share(t.early, t.elections)],
      ...Object.entries(t.status).map(([name, n]) => [words(name), number(n)]), ["tokens", number(t.tokens)]])),
    card("Votes without effect", Object.keys(t.invalid).length
      ? table(Object.entries(t.invalid).map(([name, n]) => [words(name), number(n)]))
      : el("p", { class: "muted" }, "Every candidate had a vote.")),
    card("Referee", table([["asked", share(t.refereed, t.elections)], ["overturned", number(t.overturned)],
      ["right afterwards", number(t.overturned_right)], ["right before", number(t.overturned_from_right)]])));
  }

  function drawList(main, r) {
    const run = FFR.head.runs[r];
    const rows = run.elections.rows;
    const page = Math.min(pages.get(r) || 0, Math.max(0, Math.ceil(rows.length / PAGE) - 1));
    const move = (by) => { pages.set(r, Math.max(0, page + by)); drawList(main, r); };
    empty(main, totals(run), card("All", grid(
      ["question", "family", "status", "answer", "right", "candidates", "margin", "overturned"],
      rows.slice(page * PAGE, (page + 1) * PAGE).map((row, i) => [
        el("a", { href: FFR.address("elections", r, page * PAGE + i) }, row[0]), row[1], words(row[2]),
        row[3] === null ? "–" : row[3], row[4] === null ? "–" : row[4] ? "✓" : "✗", number(row[5]),
        number(row[6]), row[7] ? "yes" : ""])),
    el("div", { class: "row pages" },
      el("button", { type: "button", disabled: page === 0, onclick: () => move(-1) }, "Previous"),
      el("span", {}, `page ${page + 1} of ${Math.max(1, Math.ceil(rows.length / PAGE))}`),
      el("button", { type: "button", disabled: (page + 1) * PAGE >= rows.length, onclick: () => move(1) }, "Next"))));
  }

  function candidate(c, i, e) {
    const dropped = e.dropped.includes(i);
    return el("section", { class: "card column" },
      el("h2", {}, `Candidate ${i + 1} `, c.answer === null
        ? el("span", { class: "verdict wrong" }, `no vote: ${words(c.reason || "")}`)
        : el("span", { class: "chip" }, c.answer), dropped && el("span", { class: "chip" }, "outlier")),
      el("p", { class: "muted" }, `temperature ${number(c.temperature)} · ${words(c.spatial)} · brightness ${number(c.brightness)}`),
      el("div", { class: "said" }, c.text.map((piece) => (typeof piece === "string" ? piece : el("b", {}, piece[0])))),
      c.detail && el("p", { class: "muted" }, c.detail),
      table([["cites", c.cited.length ? c.cited.join(", ") : "nothing"],
        ...["frame_sensitive", "transparency", "repetition", "confidence", "score", "agreement", "weight"]
          .filter((name) => c[name] !== null).map((name) => [words(name), number(c[name])]),
        ["tokens", number(c.completion_tokens)], ["seconds", seconds(c.seconds)]]));
  }

  function overlap({ candidates, jaccard }) {
    if (candidates.length < 2) return null;
    return card("Overlap of what they cite (Jaccard)", grid(["", ...candidates.map((c) => c + 1)],
      jaccard.map((row, i) => [candidates[i] + 1, ...row.map((value) => {
        const node = el("span", { class: "heat" }, value === null ? "–" : value.toFixed(2));
        node.style.setProperty("--heat", `${Math.round(60 * (value || 0))}%`);
        return node;
      })])));
  }

  function referee(e) {
    const r = e.referee;
    if (!r) return card("Referee", el("p", { class: "muted" }, "It was not asked."));
    return card("Referee", table([["by", r.by], ["finds the evidence", number(r.r)], ["votes kept", number(r.factor)],
      ["winner before", r.first_winner], ["overturned", r.overturned ? "yes" : "no"]]),
    r.error && el("div", { class: "notice bad" }, r.error), r.text && el("div", { class: "said" }, r.text));
  }

  async function drawOne(main, r, place) {
    const { chunk_size: size } = FFR.head.runs[r].elections;
    const e = (await FFR.chunk(`elections-${r}-${Math.floor(place / size)}`))[place % size];
    if (!e) throw new Error(`there is no election ${place}`);
    empty(main,
      el("div", { class: "row bar" }, el("button", { type: "button", onclick: () => FFR.go("elections", r) }, "← All elections")),
      el("section", { class: "card asked" }, el("p", { class: "muted" }, [e.question_id, e.family].filter(Boolean).join(" · ")),
        el("p", { class: "question" }, e.question || e.question_id),
        e.options.length > 0 && el("ul", { class: "options" }, e.options.map((text) => el("li", {}, text))),
        el("p", {}, "elected: ", el("b", {}, e.answer === null ? "no answer" : e.answer),
          e.right === null ? "" : e.right ? " ✓ right" : " ✗ wrong", e.gold ? ` (gold: ${e.gold})` : "")),
      el("div", { class: "cards" },
        card("Votes", grid(["answer", "votes", "share", "", "from"], e.votes.map((v) => [v.answer, number(v.votes),
          `${Math.round(100 * v.share)} %`, el("meter", { min: 0, max: 1, value: v.share }),
          v.supporters.map((c) => c + 1).join(", ")])),
        el("p", { class: "muted" }, `margin ${number(e.margin)}, confidence ${number(e.confidence)}, ${e.stopped_early ? "stopped early" : "not stopped early"}`),
        e.cited.length > 0 && el("p", {}, "evidence: ", e.cited.map((c, i) => [i ? ", " : "",
          c.t_s === null ? `unit ${c.unit}` : moment(c.t_s), ` (${number(c.weight, 2)})`]))),
        overlap(e.overlap), referee(e)),
      el("div", { class: "three" }, e.candidates.map((c, i) => candidate(c, i, e))));
  }

  if (FFR.head.runs.some((run) => run.elections)) {
    FFR.view({ id: "elections", title: "Elections", draw: async (main, path) => {
      FFR.charts.clear();
      const first = FFR.head.runs.findIndex((run) => run.elections);
      const r = path[0] && FFR.head.runs[Number(path[0])].elections ? Number(path[0]) : first;
      if (path[1]) await drawOne(main, r, Number(path[1]));
      else drawList(main, r);
    } });
  }
})();
