// Marks made in this page: kept by the browser, handed over as a sheet for `ffr cache review import`.
"use strict";
FFR.marks = (() => {
  const NAME = `ffr-review-${FFR.head.id}`;
  const STATES = { accept: "accepted", reject: "rejected", clear: "unreviewed" };
  let kept = { by: "", marks: {} };
  let durable = true;

  try {
    const found = JSON.parse(localStorage.getItem(NAME) || "null");
    if (found && typeof found.marks === "object") kept = { by: String(found.by || ""), marks: found.marks || {} };
  } catch { durable = false; }

  function save() {
    try { localStorage.setItem(NAME, JSON.stringify(kept)); } catch { durable = false; }
  }

  // What is marked here, if it is about this patch and not about an earlier one of the request.
  function of(key, patchId) {
    const mark = Object.hasOwn(kept.marks, key) ? kept.marks[key] : null;
    return mark && STATES[mark.verdict] && (!patchId || mark.patch_id === patchId) ? mark : null;
  }

  function set(key, patchId, verdict, why) {
    kept.marks[key] = { patch_id: patchId, verdict, why };
    save();
  }

  function drop(key) {
    delete kept.marks[key];
    save();
  }

  function clear() {
    kept.marks = {};
    save();
  }

  function setBy(name) {
    kept.by = name;
    save();
  }

  // State of a patch by its place in the index: a mark made here, else what the store says.
  function state(index, i) {
    const mark = of(index.key[i], index.patch_id[i]);
    return mark ? STATES[mark.verdict] : index.state[i];
  }

  // JSON lines, one for each mark that is about a patch of this page.
  function sheet(index) {
    const lines = index.key.flatMap((key, i) => {
      const mark = of(key, index.patch_id[i]);
      return mark ? [JSON.stringify({ key, patch_id: mark.patch_id, verdict: mark.verdict, by: kept.by.trim(),
        why: String(mark.why || ""), question_id: index.question[i] })] : [];
    });
    return { lines, text: lines.map((line) => `${line}\n`).join("") };
  }

  return { of, set, drop, clear, state, sheet, setBy, by: () => kept.by, durable: () => durable };
})();
