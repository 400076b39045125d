// In the locale C, Chromium calls its language "en-US@posix", which Intl, and so uPlot, refuses.
"use strict";
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en-US" });
}
