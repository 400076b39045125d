"""Run beside lmms-eval: the prompts its ten benchmarks write, and how they score our replies.

Prints one JSON object: benchmark to what was read from its prompt and what its own
``process_results`` says to our reply for the right and for a wrong option.
"""

from __future__ import annotations

import importlib
import json
import logging
from typing import Any

from ffr.evaluate.lmms.task_text import read_task_text

logging.disable(logging.CRITICAL)
STEM = "What does the man lift first?"
OPTIONS = ["a red cup", "a blue box", "his hat", "the cat"]
LETTERED = [f"{letter}. {text}" for letter, text in zip("ABCD", OPTIONS, strict=True)]
RIGHT, WRONG = "C", "B"
POST = "\nAnswer with the option's letter from the given choices directly."


def module(task: str) -> Any:
    return importlib.import_module(f"lmms_eval.tasks.{task}.utils")


def case(task: str, prompt: str, doc: dict[str, Any], score: Any, function: str) -> dict[str, Any]:
    read = read_task_text(prompt)
    labels = dict(zip("ABCD", read.labels, strict=False))
    rate = getattr(module(task), function)
    replies = {"right": labels.get(RIGHT, RIGHT), "wrong": labels.get(WRONG, WRONG)}
    return {
        "question": read.question, "options": read.options, "labels": read.labels,
        **{name: float(score(rate(dict(doc), [reply]))) for name, reply in replies.items()},
    }  # fmt: skip


def mvbench() -> dict[str, Any]:
    doc = {"question": STEM, "candidates": OPTIONS, "answer": OPTIONS[2], "video": "v.mp4"}
    post = {"post_prompt": "Only give the best option.\n"}
    prompt = module("mvbench").mvbench_doc_to_text(doc, post)
    return case("mvbench", prompt, doc, lambda r: r["mvbench_accuracy"]["score"],
                "mvbench_process_results")  # fmt: skip


def tempcompass() -> dict[str, Any]:
    doc = {"question": "\n".join([STEM, *LETTERED]), "answer": LETTERED[2], "video_id": "v",
           "dim": "action"}  # fmt: skip
    post = {"post_prompt": {"multi-choice": "\nPlease directly give the best option:"}}
    prompt = module("tempcompass").tempcompass_doc_to_text_multi_choice(doc, post)
    return case("tempcompass", prompt, doc, lambda r: r["avg_accuracy"]["rating"],
                "tempcompass_process_results_multi_choice")  # fmt: skip


def tempcompass_captions() -> dict[str, Any]:
    lines = [f"Option {i}: {text}" for i, text in enumerate(OPTIONS, start=1)]
    doc = {"question": "\n".join([STEM, *lines]), "answer": lines[2], "video_id": "v",
           "dim": "action"}  # fmt: skip
    post = {"post_prompt": {"caption_matching": "\nPlease directly give the best option:"}}
    prompt = module("tempcompass").tempcompass_doc_to_text_caption_matching(doc, post)
    return case("tempcompass", prompt, doc, lambda r: r["avg_accuracy"]["rating"],
                "tempcompass_process_results_caption_matching")  # fmt: skip


def video_mmmu() -> dict[str, Any]:
    doc = {"id": "validation_Art_1", "question": STEM, "options": OPTIONS, "answer": RIGHT,
           "question_type": "multiple-choice"}  # fmt: skip
    post = {"perception_and_comprehension_prompt": ""}
    text = module("videommmu").videommmu_doc_to_text_perception_comprehension
    return case("videommmu", text(doc, post), doc,
                lambda r: r["mmmu_acc"]["parsed_pred"] == RIGHT,
                "videommmu_process_results")  # fmt: skip


def mmvu() -> dict[str, Any]:
    choices = dict(zip("ABCDE", [*OPTIONS, "none"], strict=True))
    doc = {"id": "1", "question": STEM, "choices": choices, "answer": RIGHT,
           "question_type": "multiple-choice", "video_path": "videos/Art/1.mp4"}  # fmt: skip
    prompt = module("mmvu").mmvu_doc_to_text(doc, {})
    return case("mmvu", prompt, doc, lambda r: r["accuracy"]["correct"], "mmvu_process_results")


def vsibench() -> dict[str, Any]:
    doc = {"question": STEM, "options": LETTERED, "question_type": "route_planning",
           "ground_truth": RIGHT}  # fmt: skip
    prompt = module("vsibench").vsibench_doc_to_text(doc, {})
    return case("vsibench", prompt, doc, lambda r: r["vsibench_overall"]["accuracy"],
                "vsibench_process_results")  # fmt: skip


def video_holmes() -> dict[str, Any]:
    doc = {"Question": STEM, "Options": dict(zip("ABCD", OPTIONS, strict=True)), "Answer": RIGHT}
    prompt = module("video_holmes").video_holmes_doc_to_text(doc, {})
    return case("video_holmes", prompt, doc, lambda r: r["video_holmes_accuracy"]["score"],
                "video_holmes_process_results")  # fmt: skip


def longvideobench() -> dict[str, Any]:
    doc = {"id": "1", "question": STEM, "option4": "N/A", "correct_choice": 2,
           "duration_group": 15, "question_category": "x",
           **{f"option{i}": text for i, text in enumerate(OPTIONS)}}  # fmt: skip
    kwargs = {"pre_prompt": "", "post_prompt": POST.strip() + "\n"}
    prompt = module("longvideobench").longvideobench_doc_to_text(doc, kwargs)
    return case("longvideobench", prompt, doc, lambda r: r["lvb_acc"]["parsed_pred"] == RIGHT,
                "longvideobench_process_results")  # fmt: skip


def lvbench() -> dict[str, Any]:
    lines = [f"({letter}) {text}" for letter, text in zip("ABCD", OPTIONS, strict=True)]
    doc = {"question": "\n".join([STEM, *lines]), "answer": RIGHT, "video_path": "v.mp4"}
    kwargs = {"pre_prompt": "", "post_prompt": "\nAnswer the question with the option letter"}
    prompt = module("lvbench").lvbench_doc_to_text(doc, kwargs)
    return case("lvbench", prompt, doc, lambda r: r["lvbench_score"], "lvbench_process_results")


def videomme() -> dict[str, Any]:
    doc = {"question": STEM, "options": LETTERED, "answer": RIGHT, "domain": "d",
           "sub_category": "s", "task_type": "t", "question_id": "1", "duration": "short",
           "videoID": "v"}  # fmt: skip
    prompt = module("videomme").videomme_doc_to_text(doc, {"post_prompt": POST})
    return case("videomme", prompt, doc, lambda r: r["videomme_perception_score"]["score"],
                "videomme_process_results")  # fmt: skip


def mlvu() -> dict[str, Any]:
    lines = [f"({letter}) {text}" for letter, text in zip("ABCD", OPTIONS, strict=True)]
    doc = {"question": "\n".join([STEM, *lines]), "answer": RIGHT, "task_type": "count"}
    post = {"pre_prompt": "", "post_prompt": "\nOnly give the best option.\nBest option: ("}
    prompt = module("mlvu").mlvu_doc_to_text(doc, post)
    read = lambda r: r["mlvu_percetion_score"]  # noqa: E731 - the benchmark's own spelling
    return case("mlvu", prompt, doc, lambda r: read(r)["pred_answer"] == RIGHT,
                "mlvu_process_results")  # fmt: skip


if __name__ == "__main__":
    found = [mvbench, tempcompass, tempcompass_captions, video_mmmu, mmvu, vsibench, video_holmes,
             longvideobench, lvbench, videomme, mlvu]  # fmt: skip
    print(json.dumps({one.__name__: one() for one in found}))
