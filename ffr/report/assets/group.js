// One group: the question, its timeline, and first try, patch and second try side by side.
"use strict";
FFR.group = (() => {
  const { el, empty } = FFR;
  const { number, seconds, moment, words, table, grid } = FFR.format;
  const NEAR = 0.002;
  const FILM = 24;

  const nearest = (list, t, of) => list.reduce((best, item) =>
    (best === null || Math.abs(of(item) - t) < Math.abs(of(best) - t) ? item : best), null);
  const viewAt = (footage, t) => footage && footage.views[t.toFixed(3)];
  const signed = (value) => `${value > 0 ? "+" : ""}${number(value)}`;

  function looksOf(outcome, patch) {
    const own = outcome.diagnosis ? outcome.diagnosis.looks : [];
    return own.length ? own : (patch ? patch.looks : []);
  }

  // --- timeline -----------------------------------------------------------------------------
  function lanes(outcome, patch, question, firstView) {
    const footage = question && question.footage;
    const moments = (times, label) => [...new Set(times)].map((t) => ({ t, label }));
    const made = [
      { name: "student saw", kind: "student", marks: (footage ? footage.student : []).map(([t, image]) =>
        ({ t, image: footage.student.length <= FILM ? image : undefined })) },
      { name: "first try cites", kind: "cited", marks: moments(outcome.first.times, "cited") },
    ];
    if (outcome.diagnosis && outcome.diagnosis.source !== "none" && footage && footage.duration && firstView) {
      made.push({ name: "teacher: first view", kind: "look", marks: Array.from({ length: firstView }, (_, i) =>
        ({ t: footage.duration * (i + 0.5) / firstView, label: "first view" })) });
    }
    looksOf(outcome, patch).forEach((look, i) => made.push({
      name: `teacher: ${look.name}`, kind: "look",
      marks: look.shown.map(([t]) => ({ t, label: `call ${i + 1}, ${look.name}` })) }));
    if (patch) {
      const spans = [patch.guidance, ...patch.markers].flat().filter((piece) => typeof piece !== "string")
        .map(([, t, end]) => ({ t, end, label: "named" }));
      made.push({ name: "patch points at", kind: "patch", marks: [
        ...spans, ...moments(patch.key_times, "key time"),
        ...moments(patch.regions.map((r) => r.t), "region")] });
      made.push({ name: "patch shows", kind: "patch", marks: patch.frames.map((f) =>
        ({ t: f.t, label: f.label || "image" })) });
    }
    if (outcome.second) {
      made.push({ name: "second try cites", kind: "cited", marks: moments(outcome.second.times, "cited") });
    }
    if (question) {
      made.push({ name: "evidence is at", kind: "gold",
        marks: question.gold.map(([t, end]) => ({ t, end, label: "gold span" })) });
    }
    return made;
  }

  function marksAt(t, outcome, patch, question, inPlace) {
    const near = (other) => Math.abs(other - t) < NEAR;
    const found = [];
    looksOf(outcome, patch).forEach((look) => look.shown.forEach(([at, box]) => {
      if (near(at) && box) found.push({ box, kind: "look", label: `teacher: ${look.name}` });
    }));
    if (patch) {
      patch.frames.forEach((f) => {
        if (near(f.t) && f.box) found.push({ box: f.box, kind: "patch", label: f.label, image: inPlace && f.image });
      });
      patch.regions.forEach((r) => {
        if (near(r.t) && r.box) found.push({ box: r.box, kind: "patch", label: "region of the patch" });
      });
    }
    if (question) {
      question.gold.forEach(([from, to, box]) => {
        if (box && t >= from && t <= to) found.push({ box, kind: "gold", label: "gold evidence" });
      });
    }
    return found;
  }

  function seen(t, outcome, patch, question) {
    const footage = question && question.footage;
    if (!footage || (!footage.student.length && !Object.keys(footage.views).length)) {
      return [el("p", { class: "muted" }, footage && footage.problem
        ? `No pictures of the video: ${footage.problem}` : "No pictures of the video.")];
    }
    const own = nearest(footage.student, t, ([at]) => at);
    const view = nearest(Object.keys(footage.views), t, Number);
    const [w, h] = footage.student_size || [0, 0];
    return [
      own && el("div", { class: w * h <= 96 * 96 ? "pixels" : "" }, FFR.frames.frame(own[1],
        `student's frame at ${moment(own[0])}`, [],
        `student's nearest frame: ${moment(own[0])}, ${w} × ${h} pixels`)),
      view && FFR.frames.frame(footage.views[view], `the video at ${moment(Number(view))}`,
        marksAt(Number(view), outcome, patch, question, false),
        `the video at ${moment(Number(view))}, the nearest moment somebody looked at`),
    ];
  }

  // --- columns ------------------------------------------------------------------------------
  function rewards(group, outcome, source) {
    const rows = group.rows.filter((row) => row.index === outcome.index && row.source === source
      && row.category !== "filler");
    if (!rows.length) {
      return el("p", { class: "muted" }, "This answer is in no training row.");
    }
    return rows.map((row) => el("div", { class: "reward" },
      el("h3", {}, `training row: ${words(row.category)}, ${row.context} prompt${row.live ? "" : ", masked"}`),
      table([...Object.entries(row.terms).map(([name, value]) => [words(name), signed(value)]),
        ["reward", el("b", {}, number(row.reward))],
        ["advantage", el("b", { class: row.advantage < 0 ? "minus" : row.advantage > 0 ? "plus" : "" },
          signed(row.advantage))],
        ["baseline group", row.baseline], ["tokens", number(row.tokens)]])));
  }

  function attempt(title, made, group, outcome, source, go) {
    const chips = [made.cut_off && "cut off", ...made.problems.map(words)].filter(Boolean);
    return el("section", { class: `card column ${source}` },
      el("h2", {}, title, " ", el("span", { class: `verdict ${made.right ? "right" : "wrong"}` },
        made.right ? "✓ right" : "✗ wrong")),
      el("p", {}, "answer: ", el("b", { class: "answer" }, made.answer === null ? "none" : made.answer)),
      chips.map((chip) => el("span", { class: "chip" }, chip)),
      el("div", { class: "said" }, FFR.timeline.text(made.text, go)),
      rewards(group, outcome, source),
      el("h3", {}, "scores"),
      table([...Object.entries(made.scores).map(([name, value]) => [words(name), number(value)]),
        ["tokens", `${number(made.tokens)}${made.prompt_tokens ? ` after a prompt of ${number(made.prompt_tokens)}` : ""}`]]));
  }

  function look(call, number_, question, go) {
    const footage = question && question.footage;
    return el("li", { class: call.ok ? "" : "failed" },
      el("div", {}, el("b", {}, `${number_}. ${call.name}`), call.ok ? "" : " refused"),
      call.arguments && el("pre", {}, call.arguments),
      call.message && el("p", { class: "muted" }, call.message),
      call.shown.length > 0 && el("div", { class: "strip" }, call.shown.map(([t, box]) => el("button", {
        type: "button", class: "plain thumb", onclick: () => go(t), title: `show ${moment(t)}` },
      FFR.frames.frame(viewAt(footage, t), `${call.name} at ${moment(t)}`,
        box ? [{ box, kind: "look", label: call.name }] : [], moment(t))))));
  }

  function patchFrames(patch, question, go) {
    const footage = question && question.footage;
    return el("div", { class: "evidences" }, patch.frames.map((f) => el("div", {
      class: f.box && viewAt(footage, f.t) ? "evidence crop" : "evidence" },
      el("button", { type: "button", class: "plain", onclick: () => go(f.t), title: `show ${moment(f.t)}` },
        f.box && viewAt(footage, f.t)
          ? FFR.frames.frame(viewAt(footage, f.t), `the video at ${moment(f.t)} with the crop in its place`,
            [{ box: f.box, kind: "patch", label: f.label, image: f.image }], `in place at ${moment(f.t)}`)
          : FFR.frames.frame(f.image || viewAt(footage, f.t), f.label || `frame at ${moment(f.t)}`, [],
            `${f.label || "frame"} (${moment(f.t)})`)),
      f.box && viewAt(footage, f.t) && FFR.frames.frame(f.image, f.label, [], f.label || "the crop"))));
  }

  function diagnosis(outcome, patch, question, go) {
    const d = outcome.diagnosis;
    const column = (...content) => el("section", { class: "card column patch" }, el("h2", {}, "Patch"), content);
    if (!d) {
      return column(el("p", { class: "muted" }, outcome.first.right
        ? "None needed: the first answer is right." : "None: this failure was not taken up."));
    }
    const looks = looksOf(outcome, patch);
    const counts = Object.entries(d.tools).map(([name, [calls, failures]]) =>
      `${name} ${calls}${failures ? ` (${failures} failed)` : ""}`);
    return column(
      d.no_patch && el("div", { class: "notice bad" }, el("b", {}, `No second try: ${words(d.no_patch)}`), d.detail),
      d.patch && !patch && el("p", { class: "muted" }, `Patch ${d.patch.slice(0, 12)} is not in the store any more.`),
      patch && [
        patch.errors.map((name) => el("span", { class: "chip" }, name)),
        el("p", { class: "said" }, FFR.timeline.text(patch.guidance, go)),
        patch.markers.length > 0 && el("p", {}, "when: ", patch.markers.map((m, i) => [i ? "; " : "", FFR.timeline.text(m, go)])),
        patch.regions.length > 0 && el("ul", {}, patch.regions.map((r) => el("li", {},
          el("button", { type: "button", class: "time", onclick: () => go(r.t) }, moment(r.t)), " ",
          r.desc.length ? FFR.timeline.text(r.desc, go) : "region"))),
        patchFrames(patch, question, go)],
      el("h3", {}, "what the teacher looked at"),
      looks.length ? el("ol", { class: "looks" }, looks.map((call, i) => look(call, i + 1, question, go)))
        : el("p", { class: "muted" }, counts.length ? `tool calls: ${counts.join(", ")}` : "no tool call is recorded"),
      el("h3", {}, "cost"),
      table([["from", { live: "the live teacher", store: "the store", none: "nobody" }[d.source]],
        ["seconds", seconds(d.seconds)], ["teacher", patch ? patch.teacher || "–" : "–"],
        ["evidence in the student's view", outcome.in_view ? "yes" : "no"]]),
      Object.keys(d.counters).length > 0 && el("details", {}, el("summary", {}, "everything it counted"),
        table(Object.entries(d.counters).map(([name, value]) => [words(name), number(value)]))));
  }

  function second(outcome, group, go) {
    if (outcome.second) return attempt("Second try", outcome.second, group, outcome, "second", go);
    return el("section", { class: "card column second" }, el("h2", {}, "Second try"),
      el("p", { class: "muted" }, "There is none."));
  }

  function asked(group, question) {
    return el("section", { class: "card asked" },
      el("p", { class: "muted" }, [`step ${group.step}`, group.family, group.question,
        question ? question.video : ""].filter(Boolean).join(" · ")),
      el("p", { class: "question" }, question ? question.text : "The question is not in the run folder."),
      question && question.options.length > 0 && el("ul", { class: "options" }, question.options.map(([letter, text]) =>
        el("li", { class: letter === group.gold ? "gold" : "" }, `${letter}. ${text}`,
          letter === group.gold ? " (gold)" : ""))),
      (!question || !question.options.length) && el("p", {}, "gold answer: ", el("b", {}, group.gold)));
  }

  // Draws into `holder`; returns {step(direction), set(t)} of the timeline.
  function draw(holder, page, group, index, firstView, pick) {
    const question = page.questions[group.question];
    const outcome = group.outcomes[index] || group.outcomes[0];
    const patch = outcome.diagnosis && outcome.diagnosis.patch ? page.patches[outcome.diagnosis.patch] : null;
    const stage = el("div", { class: "stage", "aria-live": "polite" });
    const line = FFR.timeline.make({
      duration: question && question.footage.duration,
      lanes: lanes(outcome, patch, question, firstView),
      onmove: (t) => empty(stage, seen(t, outcome, patch, question)) });
    const go = (t) => { line.set(t); line.node.scrollIntoView({ block: "nearest" }); };
    empty(holder, asked(group, question),
      el("div", { class: "tabs", role: "group", "aria-label": "Rollouts of the group" }, group.outcomes.map((o, i) => el("button", {
        type: "button", class: "plain pick", "aria-pressed": i === index ? "true" : "false",
        onclick: () => pick(i) }, FFR.outcomes.cell(FFR.outcomes.letter(o)), ` ${o.index}`))),
      el("section", { class: "card" }, line.node, stage),
      el("div", { class: "three" },
        attempt("First try", outcome.first, group, outcome, "first", go),
        diagnosis(outcome, patch, question, go),
        second(outcome, group, go)),
      el("details", { class: "card" }, el("summary", {}, "all training rows of the group, times"),
        grid(["row", "source", "category", ...terms(group), "reward", "advantage", "live"],
          group.rows.map((row) => [row.index, row.source, words(row.category),
            ...terms(group).map((name) => number(row.terms[name])), number(row.reward),
            signed(row.advantage), row.live ? "yes" : "no"])),
        el("p", { class: "muted" }, Object.entries(group.timings).map(([name, value]) =>
          `${words(name)} ${seconds(value)}`).join(" · "))));
    const shown = looksOf(outcome, patch).flatMap((call) => call.shown.map(([t]) => t));
    const first = [...(patch ? patch.frames.map((f) => f.t) : []), ...(patch ? patch.key_times : []),
      ...shown, ...outcome.first.times, ...line.stops, 0][0];
    line.set(first);
    return line;
  }

  const terms = (group) => [...new Set(group.rows.flatMap((row) => Object.keys(row.terms)))];

  return { draw, look, patchFrames, seen };
})();
