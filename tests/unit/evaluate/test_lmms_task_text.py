"""Prompts in the layouts of lmms-eval's benchmarks, taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.evaluate.lmms.task_text import read_task_text

LETTERS = ("A", "B")
LAYOUTS = {
    "mvbench": ("Question:What moves?\nOption:\n(A) cat\n(B) dog\nOnly give the best option.\n",
                "What moves?", LETTERS),
    "tempcompass": ("What moves?\nA. cat\nB. dog\nPlease directly give the best option:",
                    "What moves?", LETTERS),
    "tempcompass captions": (
        "Which sentence fits?\nSentence A: cat\nSentence B: dog\n"
        "Please directly give the best option:", "Which sentence fits?",
        ("Sentence A", "Sentence B")),
    "tempcompass options": ("Which fits?\nOption 1: cat\nOption 2: dog", "Which fits?",
                            ("Option 1", "Option 2")),
    "video_mmmu": ("What moves?\nA. cat\nB. dog\nPlease ignore the Quiz question in last frame of "
                   "the video.", "What moves?\nPlease ignore the Quiz question in last frame of "
                   "the video.", LETTERS),
    "mmvu": ("\nQuestion:What moves?\nA: cat\nB: dog\nVisual Information: processed video\n"
             "Do not generate any intermediate reasoning process. Answer directly with the option "
             "letter from the\ngiven choices.\n", "What moves?", LETTERS),
    "vsibench": ("These are frames of a video.\nWhat moves?\nOptions:\nA. cat\nB. dog\nAnswer with "
                 "the option's letter from the given choices directly.",
                 "These are frames of a video.\nWhat moves?", LETTERS),
    "video_holmes": ("Question: What moves?\nA: cat\nB: dog\nSelect the best answer to the "
                     "following multiple-choice question based on the video. Respond with only the "
                     "letter (A, B, C, D, E, or F) of the correct option.", "What moves?", LETTERS),
    "longvideobench": ("What moves?\nA. cat\nB. dog\nAnswer with the option's letter from the given"
                       " choices directly.\n", "What moves?", LETTERS),
    "lvbench": ("What moves?\n(A) cat\n(B) dog\nAnswer the question with the option letter",
                "What moves?", LETTERS),
    "videomme": ("Select the best answer to the following multiple-choice question based on the "
                 "video and the subtitles. Respond with only the letter (A, B, C, or D) of the "
                 "correct option.\nWhat moves?\nA. cat\nB. dog\n\nAnswer with the option's letter "
                 "from the given choices directly.", "What moves?", LETTERS),
    "mlvu": ("What moves?\n(A) cat\n(B) dog\nOnly give the best option.\nBest option: (",
             "What moves?", LETTERS),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_stem_options_and_labels(layout):
    prompt, question, labels = LAYOUTS[layout]
    found = read_task_text(prompt)
    assert (found.question, found.options, found.labels) == (question, ("cat", "dog"), labels)


@pytest.mark.parametrize(
    ("prompt", "question"),
    [
        ("Is it red?\nPlease answer yes or no:", "Is it red?\nPlease answer yes or no:"),
        ("These are frames of a video.\nHow many chairs?\nPlease answer the question using a single"
         " word or phrase.", "These are frames of a video.\nHow many chairs?"),
        ("\nQuestion:Why?\nVisual Information: processed video\nDo not generate any intermediate "
         "reasoning process. Directly output the final answer.\n", "Why?"),
        ("A. only one is no list", "A. only one is no list"),
        ("(B) out of order\n(C) still", "(B) out of order\n(C) still"),
        ("Only give the best option.", "Only give the best option."),
        ("A. cat\nB. dog", "A. cat\nB. dog"),
        ("", ""),
    ],
)  # fmt: skip
def test_open_questions_keep_their_words(prompt, question):
    found = read_task_text(prompt)
    assert (found.question, found.options, found.labels) == (question, (), ())


def test_what_is_taken_out_is_told():
    found = read_task_text("Why?\n(A) a\n(B) b\nOnly give the best option.\nBest option: (")
    assert found.removed == ("Only give the best option.", "Best option: (")


def test_the_last_list_counts_and_options_may_have_several_lines():
    found = read_task_text("A. not\nB. this\nWhy?\nA. one\n   more\n\nB. two\nAnd look closely.")
    assert found.options == ("one more", "two")
    assert found.question == "A. not\nB. this\nWhy?\nAnd look closely."


def test_more_options_than_letters_are_no_options():
    many = "Why?\n" + "\n".join(f"Option {i}: x" for i in range(1, 28))
    assert read_task_text(many).options == ()
    assert read_task_text(many).question == many


plain = st.text(st.characters(codec="ascii", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\0"),
                min_size=1, max_size=30).map(lambda t: f"w {t.strip()}".strip())  # fmt: skip


@given(stem=plain, options=st.lists(plain, min_size=2, max_size=26))
def test_what_our_own_layout_writes_is_read_back(stem, options):
    lines = [f"{chr(65 + i)}. {option}" for i, option in enumerate(options)]
    found = read_task_text("\n".join([stem, *lines]))
    assert found.options == tuple(options)
    assert found.question == stem


@given(st.text(max_size=300))
def test_no_text_makes_it_raise(text):
    found = read_task_text(text)
    assert len(found.options) == len(found.labels)
