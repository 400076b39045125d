// Numbers, times and texts as people read them.
"use strict";
FFR.format = (() => {
  const dash = "–";

  function number(value, digits = 3) {
    if (value === null || value === undefined || Number.isNaN(value)) return dash;
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value)) return (value || 0).toLocaleString("en-US"); // no "-0"
    const size = Math.abs(value);
    if (size !== 0 && (size < 0.001 || size >= 1e7)) return value.toExponential(2);
    return size >= 1000 ? Math.round(value).toLocaleString("en-US")
      : String(Number(value.toFixed(digits)));
  }

  function rate(value) {
    return value === null || value === undefined ? dash : value.toFixed(3);
  }

  function share(part, whole) {
    return whole ? `${number(part)} (${Math.round(100 * part / whole)}\u00a0%)` : number(part);
  }

  function seconds(value) {
    if (value === null || value === undefined) return dash;
    if (value < 100) return `${Number(value.toFixed(value < 1 ? 3 : 1))} s`;
    const whole = Math.round(value);
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return h ? `${h} h ${m} min` : `${m} min ${s} s`;
  }

  // A moment of a video.
  function moment(value) {
    return `${Number(value.toFixed(2))} s`;
  }

  function words(name) {
    return String(name).replaceAll("_", " ");
  }

  // Rows of [label, value]; values may be nodes.
  function table(rows, options = {}) {
    return FFR.el("table", { class: options.class || "facts" },
      options.caption && FFR.el("caption", {}, options.caption),
      FFR.el("tbody", {}, rows.map(([label, ...values]) => FFR.el("tr", {},
        FFR.el("th", { scope: "row" }, label), values.map((value) => FFR.el("td", {}, value))))));
  }

  // A table with a head; every cell text or a node.
  function grid(heads, rows, options = {}) {
    return FFR.el("div", { class: "scroll" }, FFR.el("table", { class: `grid ${options.class || ""}` },
      options.caption && FFR.el("caption", {}, options.caption),
      FFR.el("thead", {}, FFR.el("tr", {}, heads.map((head) => FFR.el("th", { scope: "col" }, head)))),
      FFR.el("tbody", {}, rows.map((row) => FFR.el("tr", {}, row.map((cell, i) => i
        ? FFR.el("td", {}, cell) : FFR.el("th", { scope: "row" }, cell)))))));
  }

  function card(title, ...content) {
    return FFR.el("section", { class: "card" }, FFR.el("h2", {}, title), content);
  }

  return { number, rate, share, seconds, moment, words, table, grid, card, dash };
})();
