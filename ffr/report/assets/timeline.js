// A timeline of one video: lanes of moments, a cursor for pointer and keys, and what is seen there.
"use strict";
FFR.timeline = (() => {
  const { el, empty } = FFR;
  const { moment } = FFR.format;

  // lanes: [{name, kind, marks: [{t, end, label, image}]}]; images make a film. onmove(t) is called at every move.
  // Returns {node, set(t), step(direction), at()}.
  function make({ duration, lanes, onmove }) {
    const shown = lanes.filter((lane) => lane.marks.length);
    const stops = [...new Set(shown.flatMap((lane) => lane.marks.flatMap((m) =>
      (m.end !== undefined && m.end !== m.t ? [m.t, m.end] : [m.t]))))].sort((a, b) => a - b);
    const length = Math.max(duration || 0, stops.length ? stops[stops.length - 1] : 0, 0.001);
    const percent = (t) => `${(100 * Math.min(1, Math.max(0, t / length))).toFixed(3)}%`;
    let now = 0;

    const cursor = el("div", { class: "cursor" });
    const slider = el("input", {
      type: "range", min: 0, max: length, step: 0.01, value: 0, class: "scrub", id: "scrub",
      "aria-label": "moment of the video in seconds",
      oninput: (event) => set(Number(event.target.value)) });
    const label = el("output", { class: "now" }, moment(0));

    function mark(lane, { t, end, label: text, image }) {
      const wide = end !== undefined && end > t;
      if (image) {
        const still = el("button", { type: "button", class: "tick film", tabindex: -1,
          title: `${lane.name}: ${moment(t)}`, data: { t }, onclick: () => set(t) },
        FFR.images.picture(image, `${lane.name} at ${moment(t)}`));
        still.style.left = percent(t);
        still.style.width = `${(94 / lane.marks.length).toFixed(2)}%`;
        return still;
      }
      const node = el("button", {
        type: "button", class: `tick ${lane.kind} ${wide ? "span" : ""}`, tabindex: -1,
        title: `${text || lane.name}: ${moment(t)}${wide ? ` to ${moment(end)}` : ""}`,
        data: { t }, onclick: () => set(t) });
      node.style.left = percent(t);
      if (wide) node.style.width = percent(end - t);
      return node;
    }

    const rows = shown.map((lane) => el("div", { class: "lane" },
      el("span", { class: "name" }, lane.name),
      el("div", { class: `track ${lane.marks[0].image ? "film" : ""}` }, lane.marks.map((m) => mark(lane, m)))));
    const node = el("div", { class: "timeline" }, rows,
      el("div", { class: "lane" }, el("span", { class: "name" }, label),
        el("div", { class: "track scrubber" }, slider)),
      el("div", { class: "cursorbox" }, cursor));

    function set(t) {
      now = Math.min(length, Math.max(0, t));
      slider.value = now;
      label.textContent = moment(now);
      cursor.style.left = percent(now);
      for (const tick of node.querySelectorAll(".tick")) {
        tick.classList.toggle("on", Math.abs(Number(tick.dataset.t) - now) < 0.006);
      }
      onmove(now);
    }

    // To the next moment anything happens; direction is 1 or -1.
    function step(direction) {
      const next = direction > 0 ? stops.find((t) => t > now + 0.006)
        : [...stops].reverse().find((t) => t < now - 0.006);
      if (next !== undefined) set(next);
    }

    return { node, set, step, at: () => now, stops };
  }

  // Text whose times are buttons; pieces as `texts.py` cuts them.
  function text(pieces, go) {
    return pieces.map((piece) => {
      if (typeof piece === "string") return piece;
      const [words, from, to] = piece;
      return el("button", { type: "button", class: "time", data: { t: from },
        title: `show ${moment(from)}${to !== from ? ` to ${moment(to)}` : ""}`,
        onclick: () => go(from) }, words);
    });
  }

  return { make, text, empty };
})();
