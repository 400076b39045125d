import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ffr.demo.observer_images import ImageReader, UnreadableImageError
from ffr.demo.observer_sight import change_between, largest_component, look_at
from ffr.demo.vocabulary import COLOURS


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS.keys())
@pytest.mark.parametrize("side", [96, 320])
def test_finds_any_saturated_patch(grey, paint, colour, side):
    box = (side // 4, side // 8, side // 2, side // 3)
    look = look_at(Image.fromarray(paint(grey(side=side), box, colour)))
    assert look.grey
    assert look.box == pytest.approx([v / side for v in box], abs=2 / 96)
    assert look.area == pytest.approx((1 / 4) * (1 / 3 - 1 / 8), abs=0.01)


def test_sees_nothing_in_noise(grey):
    rng = np.random.default_rng(5)
    coloured_noise = np.clip(rng.normal(120, 20, size=(96, 96, 3)), 0, 255).astype(np.uint8)
    for picture in (grey(), coloured_noise):
        look = look_at(Image.fromarray(picture))
        assert look.grey
        assert look.box is None
        assert look.side == 0


def test_finds_a_detail_of_a_few_pixels(grey, paint):
    look = look_at(Image.fromarray(paint(grey(side=320), (200, 60, 212, 72), (50, 80, 230))))
    assert look.box == pytest.approx((200 / 320, 60 / 320, 212 / 320, 72 / 320), abs=0.008)
    assert 0.02 < look.side < 0.06


def test_an_object_over_half_the_picture_is_not_taken_for_background(grey, paint):
    look = look_at(Image.fromarray(paint(grey(), (10, 10, 80, 80), (220, 40, 40))))
    assert look.box == pytest.approx((10 / 96, 10 / 96, 80 / 96, 80 / 96), abs=0.03)


def test_a_colourful_scene_is_not_grey(grey):
    scene = np.zeros((64, 64, 3), dtype=np.uint8)
    scene[..., 2] = 200
    look = look_at(Image.fromarray(scene))
    assert not look.grey
    assert look.box is None


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_other_image_modes(grey, mode):
    look = look_at(Image.fromarray(grey()).convert(mode))
    assert look.box is None
    assert look.thumb.shape == (24, 24)


def test_change_grows_with_what_changed(grey, paint):
    empty, same = look_at(Image.fromarray(grey(1))), look_at(Image.fromarray(grey(2)))
    filled = look_at(Image.fromarray(paint(grey(3), (10, 10, 60, 60), (0, 0, 0))))
    assert change_between(empty, empty) == 0
    assert change_between(empty, filled) > 5 * change_between(empty, same)


def _flood_fill(mask):
    """Oracle: plain depth-first search."""
    seen, best = set(), None
    for start in map(tuple, np.argwhere(mask).tolist()):
        if start in seen:
            continue
        stack, members = [start], []
        seen.add(start)
        while stack:
            y, x = stack.pop()
            members.append((y, x))
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                inside = 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1]
                if inside and mask[near] and near not in seen:
                    seen.add(near)
                    stack.append(near)
        ys, xs = [y for y, _ in members], [x for _, x in members]
        found = (len(members), (min(xs), min(ys), max(xs) + 1, max(ys) + 1))
        best = found if best is None or found[0] > best[0] else best
    return best


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_component_agrees_with_flood_fill(height, width, data):
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.asarray(bits, dtype=bool).reshape(height, width)
    found, expected = largest_component(mask), _flood_fill(mask)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found[0] == expected[0]  # boxes may differ between components of equal size
        x0, y0, x1, y1 = found[1]
        assert mask[y0:y1, x0:x1].sum() >= found[0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_reader_reads_each_format(grey, as_url, kind):
    reader = ImageReader()
    url = as_url(grey(side=40), kind)
    assert reader.size(url) == (40, 40)
    assert reader.look(url) is reader.look(url)


def test_reader_forgets_the_oldest(grey, as_url):
    reader = ImageReader(capacity=2)
    urls = [as_url(grey(seed)) for seed in range(3)]
    first = reader.look(urls[0])
    for url in urls[1:]:
        reader.look(url)
    assert reader.look(urls[2]) is reader.look(urls[2])
    assert reader.look(urls[0]) is not first


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/frame.png",
        "file:///etc/passwd",
        "data:image/svg+xml;base64,AAAA",
        "data:image/png;base64,not base64!",
        "data:image/png;base64,aGVsbG8=",
        "data:image/png;base64,\udc80",
    ],
)
def test_reader_refuses_what_is_no_image(url):
    with pytest.raises(UnreadableImageError):
        ImageReader().size(url)


def test_reader_refuses_a_cut_file_and_a_bomb(grey, as_url):
    url = as_url(grey())
    head, data = url.split(",")
    with pytest.raises(UnreadableImageError, match="could not be read"):
        ImageReader().look(f"{head},{data[: len(data) // 8 * 4]}")
    bomb = as_url(np.zeros((5000, 5000, 3), dtype=np.uint8))
    with pytest.raises(UnreadableImageError, match="5000x5000"):
        ImageReader().size(bomb)
