"""The shell of every report in a real browser: its policy holds, both forms read the same data."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from ffr.errors import UserError
from ffr.report.bundle import Bundle, FileBundle, FolderBundle
from ffr.report.page import render_page

HOSTILE = "</script><script>window.bad = 1</script><img src=x onerror='window.bad = 2'>\u2028\ud800"


def webp(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "WEBP")
    return buffer.getvalue()


def make(form: str, folder: Path) -> tuple[Path, str]:
    bundle: Bundle = FolderBundle(folder) if form == "folder" else FileBundle()
    reference = bundle.image(webp("red"))
    assert bundle.image(webp("red")) == reference
    assert bundle.images == 1
    bundle.chunk("some-data", {"text": HOSTILE, "nan": float("nan")})
    head = {"text": HOSTILE}
    page = render_page(HOSTILE, head, form=bundle.form, scripts=[], blocks=bundle.blocks())
    folder.mkdir(exist_ok=True)
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8", errors="replace")
    return path, reference


# What a view does, run as if it were one of the page's own scripts.
USE = """async (reference) => {
  const data = await FFR.chunk("some-data");
  const image = FFR.images.picture(reference, "red");
  document.getElementById("main").replaceChildren(FFR.el("p", {id: "said"}, data.text), image);
  await image.decode();
  return [data.text, data.nan, image.naturalWidth, FFR.head.text];
}"""


@pytest.mark.parametrize("form", ["file", "folder"])
def test_data_and_images_arrive_and_nothing_of_them_runs(form, tmp_path, visit):
    path, reference = make(form, tmp_path / "report")
    seen = visit(path)
    text, nan, width, head = seen.page.evaluate(USE, reference)
    assert text == head == HOSTILE
    assert (nan, width) == (None, 8)
    assert seen.page.evaluate("window.bad") is None
    assert seen.page.text_content("#said") == text
    assert all(url.startswith("file:///") and str(tmp_path) in url for url in seen.requests)
    assert seen.errors == []


@pytest.mark.parametrize("form", ["file", "folder"])
@pytest.mark.parametrize(
    "attack",
    [
        "() => { document.body.innerHTML = '<b>x</b>' }",
        "() => { const s = document.createElement('script'); s.text = 'window.bad = 1';"
        " document.head.append(s) }",
        "() => { const s = document.createElement('script'); s.src = 'http://127.0.0.1:9/x.js';"
        " document.head.append(s) }",
    ],
)
def test_text_cannot_become_markup_or_code(form, attack, tmp_path, visit):
    seen = visit(make(form, tmp_path / "report")[0])
    with pytest.raises(Exception, match="Trusted"):
        seen.page.evaluate(attack)
    assert seen.page.evaluate("window.bad") is None


@pytest.mark.parametrize("form", ["file", "folder"])
def test_no_way_out(form, tmp_path, visit):
    seen = visit(make(form, tmp_path / "report")[0])
    blocked = seen.page.evaluate("""async () => {
      const found = [];
      document.addEventListener("securitypolicyviolation", (e) => found.push(e.effectiveDirective));
      await fetch("http://127.0.0.1:9/").catch(() => {});
      const image = document.createElement("img");
      image.src = "http://127.0.0.1:9/x.png";
      document.body.append(image);
      const frame = document.createElement("iframe");
      frame.src = "http://127.0.0.1:9/";
      document.body.append(frame);
      await new Promise((done) => setTimeout(done, 100));
      return found;
    }""")
    assert {"connect-src", "img-src", "frame-src"} <= set(blocked)


def test_a_folder_that_is_no_report_is_left_alone(tmp_path):
    (tmp_path / "chunks").mkdir()
    with pytest.raises(UserError, match="no report"):
        FolderBundle(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        FolderBundle(tmp_path / "file")
    FolderBundle(tmp_path / "new").chunk("a", 1)
    FolderBundle(tmp_path / "new")
    assert list((tmp_path / "new" / "chunks").iterdir()) == []

