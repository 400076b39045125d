// Frames with what was looked at marked on them: boxes, and crops in their place.
"use strict";
FFR.frames = (() => {
  const percent = (value) => `${(100 * value).toFixed(3)}%`;

  function place(node, box) {
    const [x0, y0, x1, y1] = box;
    Object.assign(node.style, {
      left: percent(x0), top: percent(y0), width: percent(x1 - x0), height: percent(y1 - y0) });
    return node;
  }

  // A frame and what is on it.
  //   reference: of the whole frame, or null.  label: said to those who cannot see it.
  //   marks: [{box, kind, label, image}]; kind is patch, look or gold; image: a crop in place.
  function frame(reference, label, marks = [], caption = null) {
    const picture = FFR.el("div", { class: "picture" },
      FFR.images.picture(reference, label),
      marks.filter((mark) => mark.box).map((mark) => place(FFR.el("div", {
        class: `mark ${mark.kind}`, title: mark.label || "" },
      mark.image && FFR.images.picture(mark.image, mark.label || "crop in its place")), mark.box)));
    return FFR.el("figure", { class: "frame" }, picture,
      caption && FFR.el("figcaption", {}, caption));
  }

  return { frame, place };
})();
