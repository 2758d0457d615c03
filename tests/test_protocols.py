"""jaxcam.evaluation under every protocol: image by image what plain calls find, verdicts by hand, on any device."""

from dataclasses import replace

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.datasets import Dataset, Example
from jaxcam.evaluation import Protocol, evaluate
from jaxcam.methods.crops import ten_crop_cam
from tests.reference import localization
from tests.reference import wsol as benchmark
from tests.reference.boxes import paper_box
from tests.small_evaluation import CLASSES, SIZE, THRESHOLD, run, small_params, squashed, write_images

CANVAS = (46, 37)  # 8/7 of SIZE, for ten crops


@pytest.fixture(scope="module")
def params():
    return small_params()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"))


def seen(params, path, *, method="cam", views="single", rule="paper", box_grid="network"):
    """What ranks the classes of one image, their probabilities, the maps of all, and the (h, w) of its file."""
    params, every = params.replace(card=replace(params.card, image_size=SIZE)), np.arange(len(CLASSES))
    image, file = squashed(path, CANVAS if views == "ten_crop" else SIZE)
    size = file if box_grid == "image" else image.shape[:2]
    if views == "ten_crop":
        _, probabilities, maps = map(np.asarray, ten_crop_cam(params, image, every, size=size, canvas=CANVAS))
        return probabilities, probabilities, maps, file
    if method != "cam":
        maps = np.asarray(getattr(jaxcam, method)(params, image, every))
    elif rule == "wsol":
        cells = np.asarray(jaxcam.cam(params, image, every, size="cells"))
        maps = np.array([cv2.resize(one, (224, 224), interpolation=cv2.INTER_CUBIC) for one in cells])
    else:
        maps = np.asarray(jaxcam.cam(params, image, every, size=size))
    scores = np.asarray(jaxcam.logits(params, image))
    return scores, np.exp(scores) / np.exp(scores).sum(), maps, file


def boxes_of(values, file, rule):
    """The box of one map, or its loose and its tight one, in the pixels of a file of (h, w)."""
    if rule == "release":
        found = np.asarray(jaxcam.boxes(values, rule="release"))
    elif rule == "wsol":
        found = [benchmark.contour_boxes(benchmark.grey_map(values), THRESHOLD)[0]]
    else:
        found = [paper_box(values, THRESHOLD, 8)]
    (high, wide), (height, width) = values.shape, file
    return [(x0 * width / wide, y0 * height / high, x1 * width / wide, y1 * height / high) for x0, y0, x1, y1 in found]


def assert_judged(found, box, truth):
    np.testing.assert_allclose(found["box"], box, rtol=1e-6)
    best = max((localization.iou(box, one) for one in truth), default=None)
    assert found["iou"] == (None if best is None else pytest.approx(best, abs=1e-6))


def assert_points_at_the_highest(line, values, file, truth):
    """At the centre of a pixel as high as any but for rounding: resizing repeats edges, so that several are equal."""
    x, y = line["point"]
    column, row = x * values.shape[1] / file[1] - 0.5, y * values.shape[0] / file[0] - 0.5
    assert (column, row) == pytest.approx((round(column), round(row)), abs=1e-4)
    assert values[round(row), round(column)] == pytest.approx(values.max(), rel=1e-5)
    hits = [x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in truth]
    assert line.get("pointing_game") == (any(hits) if hits else None)


@pytest.mark.core
@pytest.mark.parametrize(
    "protocol",
    [
        {},
        {"rule": "release"},
        pytest.param({"box_grid": "image"}, marks=pytest.mark.slow),
        pytest.param({"rule": "release", "box_grid": "image"}, marks=pytest.mark.slow),
        pytest.param({"rule": "wsol"}, marks=pytest.mark.slow),
        pytest.param({"rule": "release", "views": "ten_crop", "box_grid": "image"}, marks=pytest.mark.slow),
        pytest.param({"rule": "release", "method": "saliency"}, marks=pytest.mark.slow),
        pytest.param({"method": "layer_cam"}, marks=pytest.mark.slow),
        pytest.param({"views": "ten_crop"}, marks=pytest.mark.slow),
        pytest.param({"views": "ten_crop", "box_grid": "image"}, marks=pytest.mark.slow),
        pytest.param({"method": "saliency"}, marks=pytest.mark.slow),
    ],
    ids=lambda protocol: " ".join(protocol.values()) or "paper",
)
def test_every_line_equals_plain_calls_on_one_image(params, dataset, protocol):
    lines, rule = run(params, dataset, **protocol).predictions, protocol.get("rule", "paper")
    assert [line["index"] for line in lines] == list(range(len(dataset)))
    for line, example in zip(lines, dataset, strict=True):
        scores, probabilities, maps, file = seen(params, example.path, **protocol)
        top = np.argsort(-scores, kind="stable")[:5].tolist()
        assert (line["image"], line["label"], line["size"]) == (str(example.path), example.label, list(file))
        assert line["top5"] == top
        assert line["probabilities"] == pytest.approx(probabilities[top].tolist(), rel=1e-5)
        twice = [(top[0], 0), (top[0], 1), (top[1], 0), (top[1], 1), (top[2], 0)]
        expected = twice if rule == "release" else [(label, 0) for label in top]
        assert [guess["label"] for guess in line["guesses"]] == [label for label, _ in expected]
        for guess, (label, which) in zip(line["guesses"], expected, strict=True):
            assert_judged(guess, boxes_of(maps[label], file, rule)[which], example.boxes)
        true = maps[example.label]
        assert_judged(line["true_class"], boxes_of(true, file, rule)[0], example.boxes)
        assert line["true_class"]["nothing"] == (true.max() <= 0)
        assert_points_at_the_highest(line, true, file, example.boxes)


@pytest.mark.parametrize(
    "protocol", [{}, pytest.param({"box_grid": "image"}, marks=pytest.mark.slow)], ids=["network", "image"]
)
def test_one_device_finds_what_four_do(params, dataset, monkeypatch, protocol):
    four = run(params, dataset, **protocol)
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    one = evaluate(params, dataset, protocol=Protocol(image_size=SIZE, **protocol), batch_size=5, progress=False)
    # The mean over cells is summed in another order for five images than for one: the ninth digit may differ.
    loose = [{**line, "probabilities": pytest.approx(line["probabilities"], rel=1e-6)} for line in four.predictions]
    assert list(one.predictions) == loose
    assert replace(one, predictions=()) == replace(four, predictions=())


WIDE, HIGH = (40, 64), (64, 16)  # height, width

# Size of the file, {colour: rectangle}, label, truth -> box of the label's map, its best IoU, and whether it counts.
CASES = [
    (WIDE, {0: (16, 20, 32, 40)}, 0, [(16, 0, 32, 40)], (16, 20, 32, 40), 1 / 2, True),  # exactly half
    (WIDE, {0: (16, 20, 32, 40)}, 0, [(15, 0, 32, 40)], (16, 20, 32, 40), 320 / 680, False),
    (WIDE, {0: (0, 0, 8, 10)}, 0, [(40, 0, 64, 40), (0, 0, 8, 15)], (0, 0, 8, 10), 2 / 3, True),  # one of two boxes
    (WIDE, {0: (56, 30, 64, 40)}, 0, [(56, 30, 64, 40)], (56, 30, 64, 40), 1, True),  # in the last corner
    (HIGH, {1: (4, 8, 16, 64)}, 1, [(4, 8, 16, 64)], (4, 8, 16, 64), 1, True),
    (HIGH, {1: (4, 8, 16, 64)}, 2, [(0, 0, 16, 40)], (0, 0, 16, 64), 5 / 8, True),  # nothing is blue: all of the image
    (WIDE, {2: (16, 20, 32, 40)}, 2, [], (16, 20, 32, 40), None, False),  # blacklisted: no box is scored
    (WIDE, {0: (0, 0, 32, 20), 1: (32, 20, 60, 40)}, 1, [(32, 20, 64, 40)], (32, 20, 60, 40), 7 / 8, True),
]


def colours(kernel, images):
    return images


def mean_colours(kernel, features):
    return features.mean((1, 2)) @ kernel


@pytest.mark.core
@pytest.mark.parametrize("box_grid", ["network", pytest.param("image", marks=pytest.mark.slow)])
def test_verdicts_by_hand(tmp_path, box_grid):
    """Of a network whose class maps are the red, the green and the blue of a 32x32 image."""
    as_is = jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))
    card = jaxcam.Card(("red", "green", "blue"), image_size=(32, 32), preprocessing=as_is, threshold=0.5)
    params = jaxcam.from_functions(colours, mean_colours, lambda kernel: kernel, variables=jnp.eye(3), card=card)
    examples = []
    for number, (size, rectangles, label, truth, *_) in enumerate(CASES):
        pixels, path = np.zeros((*size, 3), np.uint8), tmp_path / f"{number}.png"
        for colour, (x0, y0, x1, y1) in rectangles.items():
            pixels[y0:y1, x0:x1, colour] = 255
        Image.fromarray(pixels).save(path)
        examples.append(Example(path, label, tuple(tuple(map(float, box)) for box in truth)))
    dataset = Dataset(tuple(examples), card.classes)
    report = evaluate(params, dataset, protocol=Protocol(box_grid=box_grid), batch_size=8, progress=False)
    for line, (*_, box, overlap, _) in zip(report.predictions, CASES, strict=True):
        assert line["true_class"]["box"] == list(box)
        assert line["true_class"]["iou"] == (None if overlap is None else pytest.approx(overlap, rel=1e-6))
    assert report.counts._asdict() == {
        "images": 8,
        "boxed": 7,
        "top1": 6,  # of the first seven all but the one without blue; of the last, red is the larger
        "top5": 8,
        "gt_known": sum(right for *_, right in CASES),
        "top1_loc": 4,
        "top5_loc": 6,
        "whole_image": 1,
    }
