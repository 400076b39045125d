// The frame of every report: elements, data, views, addresses, keys, theme.
// Text from data reaches the page through textContent alone; there is no other way in.
"use strict";
const FFR = (() => {
  const views = [];
  const keys = [];
  const waiting = new Map();
  const chunks = new Map();
  const KEEP = 24;
  const policy = window.trustedTypes && document.body.dataset.form === "folder"
    ? window.trustedTypes.createPolicy("ffr-chunk", { createScriptURL: checkedChunk }) : null;
  let shown = null;

  // --- elements -----------------------------------------------------------------------------
  function el(tag, options = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (value === undefined || value === null || value === false) continue;
      if (name === "class") node.className = value;
      else if (name === "data") Object.assign(node.dataset, value);
      else if (name === "style") Object.assign(node.style, value);
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (name === "value" || name === "checked" || name === "selected") node[name] = value;
      else node.setAttribute(name, value === true ? "" : String(value));
    }
    add(node, children);
    return node;
  }

  function add(node, children) {
    for (const child of children) {
      if (child === null || child === undefined || child === false) continue;
      if (Array.isArray(child)) add(node, child);
      else node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
  }

  function empty(node, ...children) {
    node.replaceChildren();
    return add(node, children);
  }

  // --- data ---------------------------------------------------------------------------------
  function block(id) {
    return document.getElementById(`data-${id}`);
  }

  function checkedChunk(address) {
    if (!/^chunks\/[a-z][a-z0-9-]*\.js$/.test(address)) throw new TypeError(`no chunk: ${address}`);
    return address;
  }

  async function unpack(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  function load(name) {
    const inside = block(name);
    if (inside) return unpack(inside.textContent);
    return new Promise((done, failed) => {
      const script = el("script", {
        onerror: () => failed(new Error(`chunks/${name}.js is missing beside this page`)),
      });
      waiting.set(name, (text) => unpack(text).then(done, failed).finally(() => script.remove()));
      const address = `chunks/${name}.js`;
      script.src = policy ? policy.createScriptURL(address) : checkedChunk(address);
      document.head.append(script);
    });
  }

  // The data of a chunk; the last few are kept.
  function chunk(name) {
    const known = chunks.get(name);
    chunks.delete(name);
    const found = known || load(name);
    chunks.set(name, found);
    if (!known) found.catch(() => chunks.delete(name));
    if (chunks.size > KEEP) chunks.delete(chunks.keys().next().value);
    return found;
  }

  function arrive(name, text) {
    const take = waiting.get(name);
    waiting.delete(name);
    if (take) take(text);
  }

  // --- views and addresses ------------------------------------------------------------------
  // A view has {id, title, draw(main, path)}; path is the address after #/id/, split at "/".
  function view(made) {
    views.push(made);
  }

  function parts() {
    return location.hash.replace(/^#\/?/, "").split("/").map((part) => {
      try { return decodeURIComponent(part); } catch { return part; }
    });
  }

  function address(...path) {
    return `#/${path.map((part) => encodeURIComponent(String(part))).join("/")}`;
  }

  function go(...path) {
    const wanted = address(...path);
    if (location.hash !== wanted) location.hash = wanted;
  }

  // Changes the address without drawing again; for what a view has already shown by itself.
  function note(...path) {
    history.replaceState(null, "", address(...path));
  }

  async function draw() {
    const [id, ...path] = parts();
    const chosen = views.find((made) => made.id === id) || views[0];
    if (!chosen) return;
    const main = document.getElementById("main");
    for (const link of document.querySelectorAll("#tabs a")) {
      if (link.dataset.view === chosen.id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const fresh = shown !== chosen;
    if (fresh && shown && shown.leave) shown.leave();
    shown = chosen;
    main.dataset.view = chosen.id;
    try {
      await chosen.draw(main, path, fresh);
    } catch (error) {
      empty(main, el("p", { class: "notice bad", role: "alert" },
        `This part cannot be shown: ${error.message}`));
    }
  }

  // --- keys ---------------------------------------------------------------------------------
  function key(name, what, act, viewId) {
    keys.push({ name, what, act, viewId });
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea");
    if (typing && event.key !== "Escape") return;
    const sliding = event.target.closest("input[type=range]") && event.key.startsWith("Arrow");
    if (sliding) return;
    const found = keys.find((k) => k.name === event.key && (!k.viewId || k.viewId === shown.id));
    if (!found) return;
    event.preventDefault();
    if (typing) event.target.blur();
    found.act(event);
  }

  function help() {
    const dialog = document.getElementById("help");
    const listed = keys.filter((k) => k.what && (!k.viewId || k.viewId === shown.id));
    empty(dialog,
      el("h2", {}, "Keys"),
      el("dl", { class: "keys" }, listed.map((k) => [
        el("dt", {}, el("kbd", {}, k.name === " " ? "Space" : k.name)), el("dd", {}, k.what)])),
      el("button", { type: "button", onclick: () => dialog.close() }, "Close"));
    dialog.showModal();
  }

  // --- theme --------------------------------------------------------------------------------
  function themeNow() {
    return document.documentElement.dataset.theme
      || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  }

  function setTheme(name) {
    document.documentElement.dataset.theme = name;
    try { localStorage.setItem("ffr-theme", name); } catch { /* a page from a disk may not */ }
    document.dispatchEvent(new Event("ffr-theme"));
  }

  function start() {
    try {
      const kept = localStorage.getItem("ffr-theme");
      if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
    } catch { /* see setTheme */ }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
      document.dispatchEvent(new Event("ffr-theme")));
    const flip = () => setTheme(themeNow() === "dark" ? "light" : "dark");
    document.getElementById("theme").addEventListener("click", flip);
    document.getElementById("keys").addEventListener("click", help);
    views.forEach((made, i) => {
      document.getElementById("tabs").append(
        el("a", { href: address(made.id), data: { view: made.id } }, made.title));
      key(String(i + 1), made.title, () => go(made.id));
    });
    key("t", "dark or light", flip);
    key("?", "this help", help);
    addEventListener("keydown", pressed);
    addEventListener("hashchange", draw);
    draw();
  }

  const api = { el, empty, chunk, arrive, view, go, note, address, key, themeNow, start, block };
  api.head = JSON.parse(block("head").textContent);
  return api;
})();
