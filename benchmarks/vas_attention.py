"""What VAS-A costs in memory on a long prompt, against an ordinary forward pass.

Both passes read the same prompt of about 12,000 tokens and the same response, each in a process of
its own: once with every allocation of torch counted, once with the process's memory read from the
kernel. Only what the pass adds to what was there before it counts; the model's weights are not in
it, so the ratio is stricter than one of whole processes.

    python benchmarks/vas_attention.py [--tokens 12000] [--rows 256] [--hidden 128] [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FRAME_SIDE = 256
TOKENS_PER_GROUP = (FRAME_SIDE // 16) ** 2
MIB = 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tokens", type=int, default=12_000, help="tokens of the prompt")
    parser.add_argument("--rows", type=int, default=256, help="reasoning tokens of the response")
    parser.add_argument("--chunk", type=int, default=64, help="rows softmaxed at a time")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--family", choices=("qwen3_vl", "qwen2_5_vl"), default="qwen3_vl")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        build(options, Path(folder))
        found = {
            f"{what}/{how}": child(options, folder, what, how)
            for what in ("forward", "vas_a")
            for how in ("allocator", "process")
        }
    ratios = {
        how: found[f"vas_a/{how}"]["extra_mib"] / found[f"forward/{how}"]["extra_mib"]
        for how in ("allocator", "process")
    }
    if options.json:
        print(json.dumps({**vars(options), "runs": found, "ratio": ratios}))
        return
    one = found["vas_a/process"]
    print(f"prompt {one['prompt_tokens']} tokens, {one['video_tokens']} of them video; "
          f"{options.rows} rows, {options.heads} heads; VAS-A {one['vas']:.1f}")  # fmt: skip
    print(f"{'':<24}{'forward':>12}{'VAS-A':>12}{'ratio':>8}")
    for how, name in (("allocator", "torch allocations"), ("process", "process memory")):
        ours, theirs = (found[f"{what}/{how}"]["extra_mib"] for what in ("vas_a", "forward"))
        print(f"{name:<24}{theirs:>8.0f} MiB{ours:>8.0f} MiB{ratios[how]:>8.2f}")
    print(f"{'seconds':<24}{found['forward/process']['seconds']:>12.1f}{one['seconds']:>12.1f}")


def child(options: argparse.Namespace, folder: str, what: str, how: str) -> dict[str, Any]:
    """One measurement in a fresh process."""
    command = [sys.executable, __file__, "--run", f"{what}/{how}", "--model", folder]
    for name in ("tokens", "rows", "chunk"):
        command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def build(options: argparse.Namespace, folder: Path) -> None:
    """A random model of the student's class."""
    from ffr.config.student import TinyModelConfig
    from student.tiny.model import build_tiny_student

    shape = TinyModelConfig(family=options.family, hidden_size=options.hidden,
                            heads=options.heads, layers=options.layers)  # fmt: skip
    build_tiny_student(shape, folder, ["What appears?", "<think>at 5.0</think>"] * 2)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run one pass and say what it added to the process's memory."""
    import numpy as np
    import torch

    from ffr.config.student import PromptConfig, StudentConfig
    from ffr.data.question import AskedQuestion
    from rewards.video_r2.vas_attention import attention_score
    from student.forced import ForcedStudent
    from student.prompt import render_question
    from student.prompt_parts import VideoPart
    from student.time_axis import TimeAxis

    torch.set_num_threads(1)
    what, how = options.run.split("/")
    config = StudentConfig(path=options.model, dtype="float32", max_prompt_tokens=10**6)
    student = ForcedStudent.load(options.model, config)
    frames = 2 * round(options.tokens / TOKENS_PER_GROUP)
    pixels = np.random.default_rng(0).integers(
        0, 256, (frames, FRAME_SIDE, FRAME_SIDE, 3), dtype=np.uint8
    )
    axis = TimeAxis(tuple(0.5 + t for t in range(frames)), 10.0, float(frames))
    asked = AskedQuestion(id="q", video="v", question="What appears?", answer_type="text")
    prompt = student.processor.encode(
        render_question(asked, VideoPart(pixels, axis), PromptConfig(style="compact"))
    )
    del pixels
    word = student.processor.tokenizer.encode("a", add_special_tokens=False)[0]
    response = (word,) * options.rows
    score = None

    def forward() -> None:
        # What an ordinary pass needs at least: logits of the last position alone.
        inputs = student._inputs(prompt, response)
        with torch.inference_mode():
            student.model(**inputs, use_cache=False, logits_to_keep=1)

    def vas_a() -> None:
        nonlocal score
        (mass,) = student.attention(
            prompt, response, range(options.rows), chunk_rows=options.chunk
        )
        score = attention_score(mass.video, mass.sink, mass.visible_keys, mass.visible_video)

    run = {"forward": forward, "vas_a": vas_a}[what]
    began = time.perf_counter()
    extra = allocated(run) if how == "allocator" else resident(run)
    return {
        "extra_mib": extra / MIB,
        "seconds": time.perf_counter() - began,
        "prompt_tokens": len(prompt.prompt_ids),
        "video_tokens": prompt.prompt_ids.count(student.processor.hf.video_token_id),
        "vas": score.vas if score else None,
    }


def allocated(run: Any) -> int:
    """Most bytes torch held at once during ``run``, from its record of every allocation."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        run()
    results = record.profiler.kineto_results
    events = [e for e in results.events() if e.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def resident(run: Any) -> int:
    """Bytes by which the process's memory peaked above what it was before ``run``."""
    before = status("VmRSS")
    run()
    return status("VmHWM") - before


def status(name: str) -> int:
    """A line of the kernel's account of this process, bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


if __name__ == "__main__":
    main()
