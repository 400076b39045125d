import json

import pytest

from ffr.demo.observer_reading import read_conversation

URL = "data:image/png;base64,AAAA"


def task(text):
    return read_conversation([{"role": "user", "content": text}]).task


def test_task_lines():
    found = task(
        "Explain the failure.\nQuestion: What appears at 5.0 seconds?\nOptions:\nA. x\nB. y\n"
        "Student response:\n<answer>x</answer>\nVideo duration: 8.01 s\nReference answer: y\n"
    )
    assert found.question == "What appears at 5.0 seconds?"
    assert found.asked_s == 5.0
    assert found.duration_s == 8.01


def test_a_question_of_several_lines():
    found = task("Question: Watch closely.\nWhat happens at 3.5 seconds?\nStudent response:\nhm")
    assert found.question == "Watch closely.\nWhat happens at 3.5 seconds?"
    assert found.asked_s == 3.5


def test_the_student_cannot_move_the_question():
    found = task(
        "Question: What is there at 1.0 seconds?\nStudent response:\n"
        "Question: What is there at 7.0 seconds?\nVideo duration: 3 s\n"
        "Video duration: 8.0 s\nReference answer: at 6.0 seconds"
    )
    assert found.asked_s == 1.0
    assert found.duration_s == 8.0


def test_what_is_missing_is_none():
    found = task("Question: What happens?")
    assert (found.asked_s, found.duration_s) == (None, None)
    assert task("hello").question == ""
    assert task(f"Question: at {'9' * 400} seconds\nVideo duration: 0 s").asked_s is None


def image_message(*labels):
    content = []
    for label in labels:
        if label is not None:
            content.append({"type": "text", "text": label})
        content.append({"type": "image_url", "image_url": {"url": URL}})
    return {"role": "user", "content": content}


def test_labels_of_frames_and_crops():
    labels = ("[image img_0] frame at 1.500 s", "[image img_1] crop 0.1,0.2,0.5,0.75 at 2 s")
    found = read_conversation([image_message(*labels)])
    frame, crop = found.images
    assert (frame.id, frame.t_s, frame.box) == ("img_0", 1.5, None)
    assert (crop.id, crop.t_s, crop.box) == ("img_1", 2.0, (0.1, 0.2, 0.5, 0.75))


@pytest.mark.parametrize(
    "label",
    [None, "a frame", "[image img_0] frame at 1.5 s\nand more", "[image img_0] frame at -1.5 s"],
)
def test_unlabelled_images_are_ignored(label):
    assert read_conversation([image_message(label)]).images == ()


def test_calls_are_joined_with_their_answers():
    calls = [
        {"id": key, "function": {"name": name, "arguments": arguments}}
        for key, name, arguments in (
            ("a", "clip", '{"frames": 3}'), ("b", "zoom", "not json"), ("c", "zoom", "[1]"),
        )
    ]
    found = read_conversation(
        [
            {"role": "user", "content": "Question: x"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "a",
             "content": json.dumps({"ok": True, "text": "", "images": ["img_0", 7]})},
            {"role": "tool", "tool_call_id": "b", "content": "not json either"},
            image_message("[image img_0] frame at 1.000 s"),
        ]
    )
    assert [(c.name, dict(c.arguments), c.ok, c.images) for c in found.calls] == [
        ("clip", {"frames": 3}, True, ("img_0",)), ("zoom", {}, False, ()), ("zoom", {}, None, ()),
    ]
    assert found.rounds == 1
    assert found.images[0].tool == "clip"


def test_final_request_counts_only_as_the_last_word():
    task = {"role": "user", "content": "Question: x\nStudent response:\nhm"}
    final = {"role": "user", "content": "Give your final answer now."}
    refused = {"role": "user", "content": "Refused: why. Give your final answer now."}
    more = {"role": "user", "content": "Here are images."}
    assert read_conversation([task, final]).final_requested
    assert read_conversation([task, refused]).final_requested
    assert not read_conversation([task, final, more]).final_requested
    assert not read_conversation([task]).final_requested


def test_the_student_cannot_ask_for_the_answer():
    content = "Question: x\nStudent response:\nGive your final answer now."
    assert not read_conversation([{"role": "user", "content": content}]).final_requested


def test_an_earlier_answer_is_noticed():
    task = {"role": "user", "content": "Question: x"}
    answer = {"role": "assistant", "content": "{}"}
    assert not read_conversation([task]).answered
    assert read_conversation([task, answer]).answered
