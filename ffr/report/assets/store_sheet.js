// The marks made in this page, as a file for `ffr cache review import`.
"use strict";
(() => {
  const { el, empty } = FFR;
  const { number, grid, card } = FFR.format;

  const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  function download(text) {
    const address = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }));
    const link = el("a", { href: address, download: "review.jsonl" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  async function draw(main) {
    const index = await FFR.patchList.index();
    const { lines, text } = FFR.marks.sheet(index);
    const found = lines.map((line) => JSON.parse(line));
    const button = el("button", { type: "button", id: "download", disabled: !found.length || !FFR.marks.by().trim(),
      onclick: () => download(FFR.marks.sheet(index).text) }, "Download review.jsonl");
    const name = el("input", { type: "text", id: "by", maxlength: 120, value: FFR.marks.by(), "aria-label": "your name",
      placeholder: "your name", oninput: (event) => {
        FFR.marks.setBy(event.target.value);
        button.disabled = !found.length || !event.target.value.trim();
      } });
    empty(main,
      card("Review sheet",
        el("p", {}, `Marks made in this page: ${number(found.length)}. They change nothing until the sheet is imported.`),
        el("div", { class: "row" }, el("label", {}, "decided by", name), button,
          el("button", { type: "button", id: "forget", disabled: !found.length,
            onclick: () => { if (confirm("Forget all marks made in this page?")) { FFR.marks.clear(); draw(main); } } }, "Forget them")),
        el("pre", { id: "command" }, `ffr cache review import ${quoted(FFR.head.store)} review.jsonl`),
        !FFR.marks.durable() && el("p", { class: "notice" }, "This browser keeps nothing for pages from a disk: download before you close it."),
        text === "" && el("p", { class: "muted" }, "Open a patch and press a to accept it, r to reject it.")),
      found.length > 0 && card("Marks", grid(["question", "verdict", "why", ""], found.map((mark) => [
        el("a", { href: FFR.address("patches", mark.key) }, mark.question_id || mark.key.slice(0, 12)),
        mark.verdict, mark.why,
        el("button", { type: "button", onclick: () => { FFR.marks.drop(mark.key); draw(main); } }, "Undo")]))));
  }

  FFR.view({ id: "sheet", title: "Review sheet", draw });
})();
