"""What the teacher's client costs: throughput at many in flight, CPU a call, memory over time.

A server in a process of its own answers every chat completion after a fixed latency, so the
ideal is known: ``in flight / latency`` calls a second.

- Throughput: whole diagnoses (first view of a real video, request, final answer, assembly, leak
  gate, images kept), ``in flight`` of them at any time::

      efficiency = (waves x latency) / wall time             at least 0.9

- Client: the same requests without the work around them, as many at once::

      CPU of this process / calls                            below 5 ms

- Memory: many whole diagnoses with a small first view and a small latency; resident memory after
  the last one against that after the first tenth (caches are full by then), growth below 5 %.

    python benchmarks/teacher.py [--latency 1.0] [--waves 10] [--requests 100000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ffr.config.teacher import TeacherConfig
from ffr.data.question import Question
from ffr.demo.layout import plan_video
from ffr.demo.questions import question_about
from ffr.demo.render import render_video
from ffr.patches.media import MediaStore
from ffr.patches.patch import EvidencePatch
from ffr.repair.protocols import FailedRollout
from ffr.teacher.body import encode_body
from ffr.teacher.breaker import CircuitBreaker
from ffr.teacher.client import ChatClient
from ffr.teacher.conversation import Conversation
from ffr.teacher.loop import OpenAITeacher
from ffr.teacher.prompts import system_prompt, task_text
from teacher_tools.runner import ToolRunner
from teacher_tools.toolset import builtin_toolset

_ANSWER = {
    "error_types": ["temporal"],
    "guidance": "Look at the whole frame from 2.0 to 4.0 seconds.",
    "key_times_s": [3.0],
    "temporal_markers": ["between 2 and 4 s"],
    "spatial_regions": [],
    "evidence": ["img_1"],
}
_COMPLETION = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": json.dumps(_ANSWER)},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3000, "completion_tokens": 100, "total_tokens": 3100},
    }
).encode()
_REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_COMPLETION),
    _COMPLETION,
)


class FixedLatency(asyncio.Protocol):
    """Reads a request, waits, and sends the same completion; does not look at the body."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._head = b""
        self._missing = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Count the body's bytes without keeping them."""
        if self._missing < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = self._head[:end].lower().split(b"\r\n")
            length = next(line for line in lines if line.startswith(b"content-length:"))
            self._missing = int(length.partition(b":")[2])
            data, self._head = self._head[end + 4 :], b""
        self._missing -= len(data)
        if self._missing <= 0:
            self._missing = -1
            asyncio.get_running_loop().call_later(self._latency_s, self._reply)

    def _reply(self) -> None:
        if not self._transport.is_closing():
            assert isinstance(self._transport, asyncio.Transport)
            self._transport.write(_REPLY)


async def serve(latency_s: float) -> None:
    """Print the port and serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: FixedLatency(latency_s), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


class Bench:
    """A teacher in front of a server, and a video to ask about."""

    def __init__(self, folder: Path, port: int, config: TeacherConfig) -> None:
        self._folder = folder
        plan = plan_video(0, "train", 0)
        (folder / plan.name).write_bytes(render_video(plan))
        self.question: Question = question_about(plan, plan.objects[0]).model_copy(
            update={"video": plan.name}
        )
        self.client = ChatClient(
            base_url=f"http://127.0.0.1:{port}/v1",
            api_key="none",
            model="m",
            temperature=0.1,
            max_output_tokens=2000,
            call_timeout_s=300.0,
            retries=0,
            breaker=CircuitBreaker(1000, 30.0),
            direct=True,
        )
        runner = ToolRunner(builtin_toolset(("clip", "zoom", "timestamp")), workers=1)
        media = MediaStore(folder / "media")
        self.teacher = OpenAITeacher(config, self.client, runner, media, folder)

    async def one(self, number: int) -> None:
        """One diagnosis.

        Raises:
            RuntimeError: it gave no patch, so the numbers would mean nothing.
        """
        failed = FailedRollout(self.question, "<think>I guess.</think>", f"wrong {number}")
        outcome = (await self.teacher.diagnose(failed)).outcome
        if not isinstance(outcome, EvidencePatch):
            raise RuntimeError(f"no patch: {outcome}")

    async def request(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Messages and tools of the first call of a diagnosis."""
        view = await self.teacher.views.get(self._folder / self.question.video)
        task = task_text(
            self.question, "<think>I guess.</think>", duration_s=view.duration_s, see_gt=True
        )
        system = system_prompt(frames=16, tools=True, rounds=3, images=24, words=60, evidence=4)
        tools = builtin_toolset(("clip", "zoom", "timestamp")).openai_schemas()
        return Conversation(system, view, task, final=False).messages, tools

    async def many(self, count: int, in_flight: int, every: int = 0) -> list[int]:
        """``count`` diagnoses, ``in_flight`` at any time; resident bytes after each ``every``."""
        numbers = iter(range(count))
        done = 0
        resident: list[int] = []

        async def worker() -> None:
            nonlocal done
            for number in numbers:
                await self.one(number)
                done += 1
                if every and done % every == 0:
                    resident.append(resident_bytes())
                    print(f"{done} requests, {resident[-1] / 2**20:.1f} MiB", file=sys.stderr)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(in_flight):
                tasks.create_task(worker())
        return resident


def resident_bytes() -> int:
    """Resident memory of this process (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def throughput(port: int, latency_s: float, waves: int, in_flight: int) -> dict[str, float]:
    """Whole diagnoses at a fixed latency."""
    with tempfile.TemporaryDirectory() as folder:
        config = TeacherConfig(concurrency=in_flight, deadline_s=600, call_timeout_s=300)
        bench = Bench(Path(folder), port, config)
        await bench.many(in_flight, in_flight)  # connections, first view, imports
        calls = bench.client.counters["calls"]
        wall, cpu = time.perf_counter(), time.process_time()
        await bench.many(waves * in_flight, in_flight)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        calls = bench.client.counters["calls"] - calls
        await bench.teacher.aclose()
    return {
        "calls": calls,
        "calls_per_second": calls / wall,
        "ideal_per_second": in_flight / latency_s,
        "efficiency": waves * latency_s / wall,
        "cpu_ms_per_diagnosis": 1000 * cpu / calls,
    }


async def client(port: int, waves: int, in_flight: int) -> dict[str, float]:
    """Chat completions alone, with the messages and tools of a diagnosis."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), port, TeacherConfig(concurrency=in_flight))
        messages, tools = await bench.request()

        async def calls(count: int) -> None:
            for _ in range(count):
                await bench.client.complete(messages, tools=tools)

        await asyncio.gather(*(calls(1) for _ in range(in_flight)))
        cpu = time.process_time()
        await asyncio.gather(*(calls(waves) for _ in range(in_flight)))
        cpu = time.process_time() - cpu
        await bench.teacher.aclose()
    return {
        "calls": waves * in_flight,
        "request_kib": len(encode_body({"messages": messages, "tools": tools})) / 1024,
        "cpu_ms_per_call": 1000 * cpu / (waves * in_flight),
    }


async def memory(port: int, requests: int, in_flight: int) -> dict[str, float]:
    """Resident memory over many requests."""
    with tempfile.TemporaryDirectory() as folder:
        config = TeacherConfig(
            concurrency=in_flight,
            deadline_s=600,
            call_timeout_s=300,
            first_view_frames=2,
            first_view_max_pixels=4096,
        )
        bench = Bench(Path(folder), port, config)
        wall = time.perf_counter()
        resident = await bench.many(requests, in_flight, max(1, requests // 10))
        wall = time.perf_counter() - wall
        await bench.teacher.aclose()
    return {
        "requests": requests,
        "seconds": wall,
        "mib_after_a_tenth": resident[0] / 2**20,
        "mib_at_the_end": resident[-1] / 2**20,
        "growth": resident[-1] / resident[0] - 1,
    }


def main() -> None:
    """Run the parts and print one line of JSON and a verdict each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument(
        "--parts",
        nargs="+",
        default=["throughput", "client", "memory"],
        choices=["throughput", "client", "memory"],
    )
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency", type=float, default=1.0, help="of one call, seconds")
    parser.add_argument("--waves", type=int, default=10)
    parser.add_argument("--requests", type=int, default=100_000, help="of the memory part")
    parser.add_argument("--memory-latency", type=float, default=0.005, help="seconds")
    given = parser.parse_args()
    if given.serve is not None:
        asyncio.run(serve(given.serve))
        return
    latencies = {
        "throughput": given.latency,
        "client": given.latency,
        "memory": given.memory_latency,
    }
    for part in given.parts:
        latency = latencies[part]
        command = [sys.executable, __file__, "--serve", str(latency)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            port = int(server.stdout.readline())
            if part == "throughput":
                result = asyncio.run(throughput(port, latency, given.waves, given.in_flight))
                good = result["efficiency"] >= 0.9
            elif part == "client":
                result = asyncio.run(client(port, given.waves, given.in_flight))
                good = result["cpu_ms_per_call"] < 5
            else:
                result = asyncio.run(memory(port, given.requests, given.in_flight))
                good = result["growth"] < 0.05
            server.stdin.close()
        print(json.dumps({"part": part, **{k: round(v, 4) for k, v in result.items()}}))
        print(f"{part}: {'as wanted' if good else 'NOT as wanted'}")


if __name__ == "__main__":
    main()
