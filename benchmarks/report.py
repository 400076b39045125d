"""Reports: size, time to build, time to open in Chromium and memory, up to 50,000 rollouts.

    python benchmarks/report.py [--run RUN_DIR] [--rollouts 50000]

Without ``--run`` only the made-up run is measured; its records, patches and videos are real, its
outcomes are not.  Opening is measured from the start of the navigation until the view is drawn, in
a fresh browser context, from the disk; memory is what the page's JavaScript holds after a
collection, and what the largest renderer process occupies.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from headless import chromium
from made_run import make_run
from playwright.sync_api import Browser, CDPSession, Page

from ffr.report.build import BuiltReport, build_report

GROUP = 8
GROUPS_PER_STEP = 25


def build(run: Path, output: Path, form: str, results: multiprocessing.Queue[object]) -> None:
    """In a process of its own, for its memory."""
    began = time.perf_counter()
    made = build_report([run], output, form=form)  # type: ignore[arg-type]
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = (time.perf_counter() - began, used.ru_utime + used.ru_stime)
    results.put((made, seconds, used.ru_maxrss / 1024))


def built(run: Path, output: Path, form: str) -> BuiltReport:
    """Build, print what it took."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[object] = context.Queue()
    process = context.Process(target=build, args=(run, output, form, results))
    process.start()
    made, seconds, peak = results.get()  # type: ignore[misc]
    process.join()
    page = made.page.stat().st_size
    print(
        f"{run.name}, {made.form}: {made.rollouts:,} rollouts, {made.images:,} pictures, "
        f"{made.size / 1e6:.1f} MB (page {page / 1e6:.1f} MB), built in {seconds[0]:.1f} s "
        f"({seconds[1]:.1f} s of CPU), peak {peak:,.0f} MB"
    )
    return made


def memory(session: CDPSession) -> float:
    """Megabytes of JavaScript after a collection."""
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize") / 1e6


def renderer(browser: Browser) -> float:
    """Resident megabytes of the largest renderer."""
    listed = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = [0.0]
    for process in listed:
        status = Path(f"/proc/{process['id']}/status")
        if process["type"] == "renderer" and status.exists():
            line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS"))
            sizes.append(int(line.split()[1]) / 1024)
    return max(sizes)


def opened(browser: Browser, page_file: Path, address: str, sign: str) -> tuple[float, float, Page]:
    """Seconds until ``sign`` is drawn, megabytes of JavaScript, and the page."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    began = time.perf_counter()
    page.goto(page_file.as_uri() + address, wait_until="commit")
    page.wait_for_selector(sign)
    return time.perf_counter() - began, memory(session), page


def timed(page: Page, act: str, sign: str) -> float:
    """Milliseconds from an action until a condition holds, measured inside the page."""
    return page.evaluate(f"""async () => {{
      const began = performance.now();
      {act};
      while (!({sign})) await new Promise((done) => setTimeout(done, 4));
      return performance.now() - began;
    }}""")


def look(made: BuiltReport) -> None:
    """Open a report's views, filter it, open groups."""
    with chromium() as browser:
        for address, sign in (
            ("", ".number"), ("#/curves", ".chart canvas"), ("#/rollouts", "a.group"),
            ("#/rollouts/0/s1q0/0", ".three .column"),
        ):  # fmt: skip
            seconds, heap, page = opened(browser, made.page, address, sign)
            print(
                f"  open {address or '#/summary':24s} {seconds:.2f} s, JavaScript {heap:.0f} MB, "
                f"renderer {renderer(browser):.0f} MB"
            )
            page.context.close()
        _, _, page = opened(browser, made.page, "#/rollouts", "a.group")
        said = "document.getElementById('count').textContent"
        before = page.inner_text("#count")
        wait = f"{said} !== {before!r}"
        fixed = timed(page, "document.querySelector('[data-outcome=F]').click()", wait)
        act = "const box = document.getElementById('search'); box.value = 'triangle';"
        act += " box.dispatchEvent(new Event('input'))"
        before = page.inner_text("#count")
        search = timed(page, act, f"{said} !== {before!r}")
        print(f"  filter {fixed:.0f} ms, search {search:.0f} ms (150 of them wait for typing)")
        page.fill("#search", "")
        page.click("text=Clear")
        page.click("a.group >> nth=0")
        page.wait_for_selector(".three")
        turns = []
        for _ in range(20):
            was = page.inner_text(".bar .muted")
            drawn = f"document.querySelector('.bar .muted').textContent !== {was!r}"
            turns.append(timed(page, "document.querySelectorAll('.bar button')[2].click()", drawn))
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        turns.sort()
        print(
            f"  next group: median {turns[10]:.0f} ms, slowest {turns[-1]:.0f} ms; JavaScript "
            f"after 20 groups {memory(session):.0f} MB"
        )


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="a run folder to measure too")
    parser.add_argument("--rollouts", type=int, default=50_000)
    options = parser.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="report_bench_"))
    try:
        if options.run is not None:
            look(built(options.run, folder / "run.html", "file"))
        steps = max(1, options.rollouts // (GROUP * GROUPS_PER_STEP))
        run = make_run(
            folder / "made", steps=steps, questions_per_step=GROUPS_PER_STEP, group_size=GROUP,
            questions=200,
        ).path  # fmt: skip
        for form in ("file", "folder"):
            output = folder / ("made.html" if form == "file" else "report")
            look(built(run, output, form))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
