"""What a step of repair asks of a cluster, on paper: 8, 64 and 512 GPUs, and what gives out first.

Nothing is run. Every assumption is a named argument with its source beside it; give your own::

    python benchmarks/scale.py [--gpus 8 64 512] [--teacher-nodes 2] [--json] [--NAME VALUE ...]

For each resource the script works out how long it is busy in one step (or how full it is). Its
load is that time over the step's own time, in which generation and training keep the GPUs busy:
a load above 1 is a bottleneck, the highest of them the first. The formulas are in `estimate`.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Assumptions:
    """The inputs. Defaults are configs/ffr_qwen3_vl_8b.yaml on nodes of 8 x 80 GB.

    "preset" is set in that file, "measured" was measured on a small machine with this project's
    code, "guess" is an order of magnitude: replace it by your own measurement.
    """

    # The work of a step grows with the cluster.
    questions_per_gpu: float = 4.0  # preset: 32 on 8
    group_size: int = 8  # preset
    repaired_share: float = 0.3  # guess: questions without a right answer (repair.when: no_signal)
    repairs_per_question: int = 4  # preset: repair.max_per_question
    store_hits: float = 0.0  # share of diagnoses the store answers; 0 is a first epoch
    # Tokens.
    video_tokens: int = 1024  # preset: 16 frames in pairs, 128 each
    text_tokens: int = 256  # guess
    patch_tokens: int = 512  # preset: 4 images of 128
    response_tokens: float = 400.0  # guess
    # Speed of one GPU, policy of 8 B.
    generate_tokens_s: float = 2500.0  # guess: decoding, large batch
    prefill_tokens_s: float = 20000.0  # guess
    train_tokens_s: float = 3500.0  # guess: forward, backward and log-probabilities
    fixed_s: float = 10.0  # guess: weight synchronisation, logging
    # The machines.
    gpus_per_node: int = 8
    cores_per_node: int = 96
    memory_gb_per_node: float = 1000.0
    workers_per_node: float = 8.0  # preset: hardware.rollout_workers
    # CPU of one worker process, which uses one core.
    decode_s: float = 0.6  # measured: 16 exact frames of a 720p/1080p file, grouped by keyframe
    frame_cache_hits: float = 0.0  # share of questions whose frames are cached; 0 is a first epoch
    process_s: float = 0.2  # guess: resize and tokenise one prompt with its frames
    tool_s: float = 0.6  # measured: a clip; a zoom takes 0.09 to 0.15
    tool_rounds: float = 1.5  # guess, as in `ffr-cache --dry-run`
    # The teacher: one copy is one server on `teacher_gpus_per_copy` devices.
    teacher_nodes: int = 1
    teacher_gpus_per_copy: int = 4  # a 32 B model
    teacher_output_tokens_s: float = 1500.0  # guess: a copy, many conversations at once
    teacher_prefill_tokens_s: float = 15000.0  # guess
    teacher_output_tokens: float = 400.0  # guess: one reply
    teacher_prompt_tokens: float = 6000.0  # guess: new tokens of one diagnosis, prefixes cached
    # Files.
    video_mb: float = 10.0  # guess: read of one video
    patch_images: float = 4.0  # preset
    image_kb: float = 20.0  # guess: JPEG of 128 * 32 * 32 pixels
    record_kb: float = 4.0  # measured: a patch as one line of JSON
    put_s: float = 0.013  # measured: one patch into the store, synced to a local disk
    read_mb_s: float = 5000.0  # guess: the shared file system, all nodes together
    creates_s: float = 3000.0  # guess: files it makes in a second, all nodes together
    # Rows on the host: pixels as float32, once in the queue and once where they are used.
    bytes_per_visual_token: int = 24576  # 4 patches x 2 x 16 x 16 pixels x 3 colours x 4 bytes
    row_copies: float = 2.0  # guess
    live_rows: float = 0.6  # guess: rows with a gradient; only they and one a group are queued
    unit_mb_s: float = 1000.0  # guess: what one storage process of the queue takes in and gives out
    units_per_node: int = 2  # set by ffr.train.verl.compose
    pixels_per_visual_token: int = 2048  # 2 frames x 32 x 32: raw frames, sent with every request
    network_mb_s_per_node: float = 10_000.0  # guess: 100 Gbit/s
    base_gb_per_node: float = 150.0  # guess: engines, workers, libraries, page cache in use
    # The one process that hands out all rows.
    controller_row_s: float = 0.001  # guess: its bookkeeping for one row of a step


@dataclass(frozen=True)
class Estimate:
    """One cluster; times in seconds of one step, loads as shares of ``step_s``."""

    gpus: int
    nodes: int
    rollouts: float
    diagnoses: float
    step_s: float
    teacher_calls_s: float
    """HTTP calls in a second, over the whole step."""
    teacher_copies_needed: int
    """Copies at which the teacher is busy for no longer than the step's own time."""
    decode_cores: float
    """Cores that decode and prepare prompts, on average, over all nodes."""
    workers_needed: int
    """Worker processes at which they take a tenth of the step."""
    store_mb_s: float
    store_files_s: float
    video_mb_s: float
    queue_mb_s: float
    """Rows into the queue and out of it, all nodes."""
    request_mb_s: float
    """Frames sent to the rollout engines, all nodes."""
    host_gb_per_node: float
    loads: dict[str, float]

    @property
    def first(self) -> str:
        """The most loaded resource."""
        return max(self.loads, key=lambda name: self.loads[name])


def estimate(gpus: int, a: Assumptions) -> Estimate:
    """The formulas; docs/guide/cluster.md prints them."""
    nodes = math.ceil(gpus / a.gpus_per_node)
    questions = a.questions_per_gpu * gpus
    rollouts = questions * a.group_size
    repairs = questions * a.repaired_share * a.repairs_per_question
    diagnoses = repairs * (1 - a.store_hits)
    sequences = rollouts + repairs

    prompt = a.video_tokens + a.text_tokens
    prompts = sequences * prompt + repairs * a.patch_tokens
    responses = sequences * a.response_tokens
    # A group's frames are prefilled once: the engine shares equal prefixes.
    prefilled = questions * prompt + repairs * (prompt + a.patch_tokens)
    generate = responses / (gpus * a.generate_tokens_s) + prefilled / (gpus * a.prefill_tokens_s)
    train = (prompts + responses) / (gpus * a.train_tokens_s)
    step = generate + train + a.fixed_s

    rounds = 1 + a.tool_rounds
    copies = a.teacher_nodes * a.gpus_per_node // a.teacher_gpus_per_copy
    of_one_copy = diagnoses * (
        rounds * a.teacher_output_tokens / a.teacher_output_tokens_s
        + a.teacher_prompt_tokens / a.teacher_prefill_tokens_s
    )
    tools = diagnoses * a.tool_rounds * a.tool_s
    cpu = questions * (1 - a.frame_cache_hits) * a.decode_s + sequences * a.process_s + tools
    puts = diagnoses * a.put_s
    workers = a.workers_per_node * nodes
    files = diagnoses * (1 + a.patch_images)
    stored_mb = diagnoses * (a.record_kb + a.patch_images * a.image_kb) / 1000
    video_mb = questions * (1 - a.frame_cache_hits) * a.video_mb
    visual = sequences * a.video_tokens + repairs * a.patch_tokens
    rows_gb = visual * a.bytes_per_visual_token * a.row_copies / 1e9 / nodes
    # A row crosses twice: worker to queue, queue to trainer. Nothing is sent by reference.
    queued_mb = 2 * a.live_rows * visual * a.bytes_per_visual_token / 1e6
    requests_mb = visual * a.pixels_per_visual_token * 3 / 1e6
    across = (nodes - 1) / nodes  # of what is sent goes to another node
    network_mb = across * (queued_mb + requests_mb)
    host = a.base_gb_per_node + rows_gb
    return Estimate(
        gpus=gpus, nodes=nodes, rollouts=rollouts, diagnoses=diagnoses, step_s=step,
        teacher_calls_s=diagnoses * rounds / step,
        teacher_copies_needed=math.ceil(of_one_copy / step),
        decode_cores=cpu / step,
        workers_needed=math.ceil((cpu + puts) / (0.1 * step)),
        store_mb_s=stored_mb / step, store_files_s=files / step, video_mb_s=video_mb / step,
        queue_mb_s=queued_mb / step, request_mb_s=requests_mb / step, host_gb_per_node=host,
        loads={
            "teacher": of_one_copy / max(copies, 1) / step,
            "worker processes": (cpu + puts) / workers / step,
            "cores": cpu / (nodes * a.cores_per_node) / step,
            "video reads": video_mb / a.read_mb_s / step,
            "store files": files / a.creates_s / step,
            "host memory": host / a.memory_gb_per_node,
            "queue storage": queued_mb / (nodes * a.units_per_node * a.unit_mb_s) / step,
            "network": network_mb / (nodes * a.network_mb_s_per_node) / step,
            "queue controller": sequences * a.controller_row_s / step,
        },
    )  # fmt: skip


def saturates_at(name: str, a: Assumptions, most: int = 1 << 20) -> int | None:
    """Fewest whole nodes of GPUs at which a resource's load exceeds 1; ``None`` up to ``most``."""
    low, high = 0, most // a.gpus_per_node
    if estimate(high * a.gpus_per_node, a).loads[name] <= 1:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        over = estimate(middle * a.gpus_per_node, a).loads[name] > 1
        low, high = (low, middle) if over else (middle, high)
    return high * a.gpus_per_node


def table(found: list[Estimate], a: Assumptions) -> str:
    """Markdown: one column a cluster."""
    rows: list[tuple[str, list[str]]] = [
        ("rollouts a step", [f"{e.rollouts:,.0f}" for e in found]),
        ("diagnoses a step", [f"{e.diagnoses:,.0f}" for e in found]),
        ("step without waiting, s", [f"{e.step_s:.0f}" for e in found]),
        ("teacher calls a second", [f"{e.teacher_calls_s:.1f}" for e in found]),
        ("teacher copies needed", [f"{e.teacher_copies_needed}" for e in found]),
        ("decoding and prompts, cores", [f"{e.decode_cores:.1f}" for e in found]),
        ("worker processes for 10 % of a step", [f"{e.workers_needed}" for e in found]),
        ("videos read, MB/s", [f"{e.video_mb_s:.0f}" for e in found]),
        ("store written, MB/s", [f"{e.store_mb_s:.2f}" for e in found]),
        ("store files made a second", [f"{e.store_files_s:.1f}" for e in found]),
        ("rows through the queue, MB/s", [f"{e.queue_mb_s:.0f}" for e in found]),
        ("frames to the engines, MB/s", [f"{e.request_mb_s:.0f}" for e in found]),
        ("host memory a node, GB", [f"{e.host_gb_per_node:.0f}" for e in found]),
        ("first bottleneck (load)", [f"{e.first} ({e.loads[e.first]:.2f})" for e in found]),
    ]
    lines = ["| | " + " | ".join(f"{e.gpus} GPUs" for e in found) + " |"]
    lines.append("| --- |" + " ---: |" * len(found))
    lines += [f"| {name} | " + " | ".join(values) + " |" for name, values in rows]
    lines += ["", "| resource | " + " | ".join(f"load, {e.gpus}" for e in found)
              + " | load above 1 from |", "| --- |" + " ---: |" * (len(found) + 1)]  # fmt: skip
    for name in found[0].loads:
        limit = saturates_at(name, a)
        loads = " | ".join(f"{e.loads[name]:.3f}" for e in found)
        lines.append(f"| {name} | {loads} | {f'{limit:,} GPUs' if limit else 'never'} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument("--json", action="store_true")
    for field in fields(Assumptions):
        kind = int if isinstance(field.default, int) else float
        option = "--" + field.name.replace("_", "-")
        parser.add_argument(option, type=kind, default=field.default)
    given = vars(parser.parse_args())
    gpus, as_json = given.pop("gpus"), given.pop("json")
    if min(gpus) < 1:
        parser.error(f"--gpus {gpus} is not allowed; give numbers of at least 1")
    assumptions = Assumptions(**given)
    found = [estimate(count, assumptions) for count in gpus]
    if as_json:
        clusters = [{**asdict(e), "first": e.first} for e in found]
        print(json.dumps({"assumptions": given, "clusters": clusters}, indent=2))
        return
    print(table(found, assumptions))


if __name__ == "__main__":
    main()
