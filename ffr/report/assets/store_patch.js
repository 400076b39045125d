// One patch: the question, what the patch says and shows, how it was made, and the decision.
"use strict";
FFR.patch = (() => {
  const { el, empty } = FFR;
  const { number, moment, words, table } = FFR.format;
  const IDLE = { decide: () => {}, reveal: () => {}, line: { step: () => {} } };
  let open = null;
  let drawing = 0;

  function lanes(entry, revealed) {
    const { patch, question } = entry;
    const moments = (times, label) => [...new Set(times)].map((t) => ({ t, label }));
    const made = patch.looks.map((look, i) => ({ name: `teacher: ${look.name}`, kind: "look",
      marks: look.shown.map(([t]) => ({ t, label: `call ${i + 1}, ${look.name}` })) }));
    const spans = [patch.guidance, ...patch.markers].flat().filter((piece) => typeof piece !== "string")
      .map(([, t, end]) => ({ t, end, label: "named" }));
    made.push({ name: "patch points at", kind: "patch", marks: [...spans, ...moments(patch.key_times, "key time"),
      ...moments(patch.regions.map((r) => r.t), "region")] });
    made.push({ name: "patch shows", kind: "patch", marks: patch.frames.map((f) => ({ t: f.t, label: f.label || "image" })) });
    if (question && revealed) {
      made.push({ name: "evidence is at", kind: "gold", marks: question.gold.map(([t, end]) => ({ t, end, label: "gold span" })) });
    }
    return made;
  }

  function asked(entry, revealed, reveal) {
    const { question } = entry;
    if (!question) {
      return el("section", { class: "card asked" }, el("p", { class: "muted" },
        `Question ${entry.question_id || "unknown"} is in no question file: name it with --questions.`));
    }
    const chosen = question.options.find(([letter]) => letter === question.answer);
    return el("section", { class: "card asked" },
      el("p", { class: "muted" }, [entry.question_id, question.video].filter(Boolean).join(" · ")),
      el("p", { class: "question" }, question.text),
      question.options.length > 0 && el("ul", { class: "options" }, question.options.map(([letter, text]) =>
        el("li", {}, `${letter}. ${text}`))),
      revealed
        ? el("p", { id: "answer" }, "answer: ", el("b", {}, chosen ? `${chosen[0]}. ${chosen[1]}` : question.answer))
        : el("button", { type: "button", id: "reveal", onclick: reveal }, "Show the answer"));
  }

  function leaks(entry) {
    if (entry.rules === null) return el("p", { class: "notice" }, "The leak gate cannot judge it without its question.");
    if (!entry.rules.length) return el("p", { class: "notice fine" }, "The leak gate lets it pass.");
    return el("div", { class: "notice bad", id: "leaks" }, el("b", {}, "The leak gate refuses it now"),
      el("ul", {}, entry.rules.map((rule) => el("li", {}, `${words(rule)}: ${FFR.head.rules[rule] || ""}`))));
  }

  function history(entry) {
    if (!entry.marks.length) return null;
    return el("ul", { class: "history" }, entry.marks.map((mark) => el("li", {},
      el("b", {}, { accept: "accepted", reject: "rejected", clear: "cleared" }[mark.verdict]),
      ` by ${mark.by}, ${mark.at}`, mark.why && `: ${mark.why}`)));
  }

  function decision(entry, redraw) {
    const mark = FFR.marks.of(entry.key, entry.patch_id);
    const why = el("input", { type: "text", id: "why", class: "grow", maxlength: 1000, value: mark ? mark.why : "",
      placeholder: "why (optional)", "aria-label": "why",
      onchange: (event) => { if (FFR.marks.of(entry.key, entry.patch_id)) decide(FFR.marks.of(entry.key, entry.patch_id).verdict, event.target.value); } });
    function decide(verdict, text = why.value) {
      FFR.marks.set(entry.key, entry.patch_id, verdict, text);
      redraw();
    }
    const button = (verdict, text) => el("button", { type: "button", class: `decide ${verdict}`, data: { verdict },
      "aria-pressed": mark && mark.verdict === verdict ? "true" : "false", onclick: () => decide(verdict) }, text);
    const index = open.index;
    const node = el("section", { class: "card decision" },
      el("div", { class: "row" }, FFR.patchList.badge(FFR.marks.state(index, index.key.indexOf(entry.key))),
        button("accept", "Accept"), button("reject", "Reject"),
        entry.marks.length > 0 && button("clear", "Take back"),
        mark && el("button", { type: "button", class: "undo", onclick: () => { FFR.marks.drop(entry.key); redraw(); } }, "Undo"),
        why),
      mark && el("p", { class: "muted" }, "Kept in this browser only: hand it over as a review sheet."),
      history(entry));
    return { node, decide };
  }

  function body(entry, go) {
    const { patch, question } = entry;
    return el("section", { class: "card column patch" }, el("h2", {}, "What the student would get"),
      patch.errors.map((name) => el("span", { class: "chip" }, name)),
      el("p", { class: "said" }, FFR.timeline.text(patch.guidance, go)),
      patch.markers.length > 0 && el("p", {}, "when: ", patch.markers.map((m, i) => [i ? "; " : "", FFR.timeline.text(m, go)])),
      patch.regions.length > 0 && el("ul", {}, patch.regions.map((r) => el("li", {},
        el("button", { type: "button", class: "time", onclick: () => go(r.t) }, moment(r.t)), " ",
        r.desc.length ? FFR.timeline.text(r.desc, go) : "region"))),
      FFR.group.patchFrames(patch, question, go));
  }

  function making(entry, go) {
    const { patch, question, tools, size } = entry;
    const counts = Object.entries(tools).map(([name, [calls, failed]]) => `${name} ${calls}${failed ? ` (${failed} failed)` : ""}`);
    return el("section", { class: "card column" }, el("h2", {}, "How it was made"),
      patch.looks.length ? el("ol", { class: "looks" }, patch.looks.map((call, i) => FFR.group.look(call, i + 1, question, go)))
        : el("p", { class: "muted" }, counts.length ? `tool calls: ${counts.join(", ")}` : "no tool call is recorded"),
      table([["teacher", patch.teacher || "–"], ["images", number(size.frames)], ["words", number(size.words)],
        ["regions", number(size.regions)], ["seconds pointed at", number(size.seconds)],
        ["request", el("code", {}, entry.key)], ["patch", el("code", {}, entry.patch_id)]]));
  }

  async function draw(main, key) {
    // A key pressed while the next patch is loaded must not decide about this one.
    const turnNow = ++drawing;
    if (open) Object.assign(open, IDLE);
    const index = await FFR.patchList.index();
    const i = index.key.indexOf(key);
    if (i < 0) {
      leave();
      empty(main, el("p", { class: "notice bad" }, "This page has no such patch."));
      return;
    }
    if (!open || !open.order.includes(i)) {
      const fits = FFR.patchList.matches(index);
      open = { ...IDLE, to: () => {}, order: fits.includes(i) ? fits : index.key.map((_, n) => n) };
    }
    const chunk = await FFR.chunk(`patches-${Math.floor(i / index.chunk_size)}`);
    if (turnNow !== drawing || !open) return;
    const entry = chunk[i % index.chunk_size];
    open.index = index;
    const place = open.order.indexOf(i);
    const to = (by) => {
      const next = open && open.order[place + by];
      if (next === undefined) return;
      Object.assign(open, IDLE);
      FFR.go("patches", index.key[next]);
    };
    const chosen = el("div");
    const question = el("div");
    const stage = el("div", { class: "stage", "aria-live": "polite" });
    const line = el("section", { class: "card" });
    let revealed = false;
    let timeline = null;
    const go = (t) => { timeline.set(t); timeline.node.scrollIntoView({ block: "nearest" }); };
    const redraw = () => {
      const made = decision(entry, redraw);
      open.decide = made.decide;
      empty(chosen, made.node);
    };
    const reveal = () => { revealed = true; drawQuestion(); };

    function drawQuestion() {
      const shown = entry.question && { ...entry.question, gold: revealed ? entry.question.gold : [] };
      empty(question, asked(entry, revealed, reveal));
      const at = timeline ? timeline.at() : null;
      timeline = FFR.timeline.make({ duration: shown && shown.footage.duration, lanes: lanes(entry, revealed),
        onmove: (t) => empty(stage, FFR.group.seen(t, { diagnosis: null }, entry.patch, shown)) });
      empty(line, timeline.node, stage);
      open.line = timeline;
      const first = [...entry.patch.frames.map((f) => f.t), ...entry.patch.key_times, ...timeline.stops, 0][0];
      timeline.set(at === null ? first : at);
    }

    const turn = (by, text) => el("button", { type: "button", data: { turn: by }, disabled: open.order[place + by] === undefined,
      onclick: () => to(by) }, text);
    drawQuestion();
    redraw();
    Object.assign(open, { to, reveal });
    empty(main, el("div", { class: "row bar" }, el("a", { href: FFR.address("patches") }, "← all patches"),
      turn(-1, "Previous"), el("span", { class: "muted", id: "place" }, `${place + 1} of ${open.order.length}`), turn(1, "Next")),
    question, leaks(entry), chosen, line, el("div", { class: "two" }, body(entry, go), making(entry, go)));
    scrollTo(0, 0);
  }

  function leave() {
    drawing += 1;
    open = null;
  }

  const when = (act) => () => { if (open) act(open); };
  FFR.key("a", "accept the patch", when((o) => o.decide("accept")), "patches");
  FFR.key("r", "reject the patch", when((o) => o.decide("reject")), "patches");
  FFR.key("s", "show the answer", when((o) => o.reveal()), "patches");
  FFR.key("j", "next patch, or page of the list", () => (open ? open.to(1) : FFR.patchList.turn(1)), "patches");
  FFR.key("k", "previous patch, or page of the list", () => (open ? open.to(-1) : FFR.patchList.turn(-1)), "patches");
  FFR.key(".", "next moment of the timeline", when((o) => o.line.step(1)), "patches");
  FFR.key(",", "previous moment of the timeline", when((o) => o.line.step(-1)), "patches");
  FFR.key("Escape", "back to the list", when(() => FFR.go("patches")), "patches");

  return { draw, leave };
})();
