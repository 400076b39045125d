// Images by reference "PAGE:PLACE": from blocks of the page, or from files beside it.
"use strict";
FFR.images = (() => {
  const pages = new Map();
  const KEEP = 16;

  function page(number) {
    const known = pages.get(number);
    pages.delete(number);
    const found = known || JSON.parse(FFR.block(`media-${number}`).textContent);
    pages.set(number, found);
    if (pages.size > KEEP) pages.delete(pages.keys().next().value);
    return found;
  }

  function address(reference) {
    const [number, place] = reference.split(":");
    if (document.body.dataset.form === "folder") return `media/${Number(number)}/${Number(place)}.webp`;
    return `data:image/webp;base64,${page(number)[Number(place)]}`;
  }

  // An image, or a plain box that says why there is none.
  function picture(reference, label, options = {}) {
    if (!reference) return FFR.el("div", { class: "nopicture", role: "img", "aria-label": label }, "no picture");
    return FFR.el("img", {
      src: address(reference), alt: label, loading: "lazy", decoding: "async", ...options });
  }

  return { address, picture };
})();
