import numpy as np
from PIL import Image

from ffr.data.contamination import Match, MatchRule, find_matches
from ffr.data.fingerprint import as_bits, frame_hash, sample_times


def picture(seed: int, size: int = 64) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    shown = Image.fromarray(small).resize((size, size * 3 // 4), Image.Resampling.BICUBIC)
    return np.asarray(shown)


def distance(one: str, other: str) -> int:
    a, b = as_bits([one, other])
    return int(np.bitwise_count(a ^ b))


def test_scaled_and_dimmed_pictures_hash_nearly_alike_and_others_do_not():
    for seed in range(20):
        one = frame_hash(picture(seed))
        assert one is not None
        dimmed = (picture(seed, 200) * 0.8).astype(np.uint8)
        assert distance(one, frame_hash(dimmed)) <= 8
        assert distance(one, frame_hash(np.pad(dimmed, ((30, 30), (0, 0), (0, 0))))) <= 8
        assert distance(one, frame_hash(picture(seed + 100))) > 12


def test_pictures_without_contrast_have_no_hash():
    assert frame_hash(np.full((40, 40, 3), 7, np.uint8)) is None


def test_sample_times_lie_inside_and_apart():
    assert sample_times(8.0, 4) == [1.0, 3.0, 5.0, 7.0]


def bits(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{n:016x}" for n in numbers)


def test_matches_need_enough_near_frames():
    far = (0xFFFF0000FFFF0000, 0x00FF00FF00FF00FF, 0xF0F0F0F0F0F0F0F0, 0xAAAAAAAAAAAAAAAA)
    training = {"copy": bits(*(n ^ 0b111 for n in far)), "half": bits(far[0], far[1], 5, 6),
                "other": bits(1, 2, 3), "dark": bits(far[0])}  # fmt: skip
    matches, few = find_matches(training, {"test": bits(*far)})
    assert matches == [Match("copy", "test", 1.0), Match("half", "test", 0.5)]
    assert few == ["dark"]
    assert find_matches(training, {"test": bits(*far)}, MatchRule(max_distance=2))[0] == [
        Match("half", "test", 0.5)
    ]


def test_a_frame_counts_once_however_many_it_resembles():
    training = {"still": bits(*[7] * 50)}
    shown = bits(7, 0xFFFF0000FFFF0000, 0x00FF00FF00FF00FF, 0xF0F0F0F0F0F0F0F0)
    matches, _ = find_matches(training, {"test": shown})
    assert matches == []


def test_many_videos_are_compared_in_blocks():
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 2**63, (5000, 16))
    training = {f"t{i}": bits(*map(int, row)) for i, row in enumerate(numbers)}
    evaluation = {"e": training["t4321"], "none": bits(*map(int, rng.integers(0, 2**63, 16)))}
    matches, few = find_matches(training, evaluation)
    assert matches == [Match("t4321", "e", 1.0)]
    assert few == []


def test_nothing_to_compare_is_no_match():
    assert find_matches({}, {"e": bits(1, 2, 3)}) == ([], [])
    assert find_matches({"t": bits(1, 2, 3)}, {}) == ([], [])
