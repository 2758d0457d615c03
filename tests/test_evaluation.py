"""jaxcam.evaluation: figures equal to a slow loop over images, whatever the batch; thresholds, refusals, samples."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from skimage.measure import label as components

import jaxcam
from jaxcam.class_names import class_names
from jaxcam.datasets import Dataset, Example
from jaxcam.evaluation import check_classes, choose_threshold, evaluate, samples
from jaxcam.evaluation._steps import look, on_devices
from jaxcam.evaluation.passes import in_file
from jaxcam.evaluation.protocol import Protocol
from jaxcam.evaluation.summary import SHARES
from jaxcam.image_files import read_image
from tests.random_network import random_params
from tests.reference import localization as reference

CLASSES = ("ant", "bee", "cat", "dog", "emu", "fox", "gnu")
SIDE = 32  # of the network's images; the files have other sizes
THRESHOLD = 0.45


@pytest.fixture(scope="module")
def params():
    """A random network whose class 4 has weights below zero, so that its maps have nothing above zero."""
    card = jaxcam.Card(classes=CLASSES, image_size=(SIDE, SIDE), threshold=THRESHOLD)
    params = random_params(card)
    head = params.variables["params"]["head"]["classifier"]
    head["kernel"] = head["kernel"].at[:, 4].set(-0.01)
    return params


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """13 images of three sizes with one to three boxes each, but the seventh, which has none."""
    home, rng, examples = tmp_path_factory.mktemp("images"), np.random.default_rng(13), []
    for index in range(13):
        width, height = [(48, 32), (30, 54), (32, 32)][index % 3]
        pixels = rng.integers(0, 256, (height // 9, width // 9, 3), np.uint8)
        path = home / f"{index}.png"
        Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).save(path)
        low = rng.uniform(0, 0.2, (0 if index == 6 else 1 + index % 3, 2))
        corners = np.concatenate([low, low + rng.uniform(0.3, 0.8, low.shape)], axis=-1) * np.tile([width, height], 2)
        examples.append(Example(path, index % 7, tuple(map(tuple, np.rint(corners).tolist()))))
    return Dataset(tuple(reversed(examples)), CLASSES)


@functools.cache
def see(params_id, path):
    """Logits, and the maps of all classes, of one image squashed by Pillow."""
    params = NETWORKS[params_id]
    with Image.open(path) as file:
        image = np.asarray(file.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        size = file.size
    return np.asarray(jaxcam.logits(params, image)), np.asarray(jaxcam.cam(params, image, np.arange(7))), size


NETWORKS = {}


def box_of(saliency, threshold, size):
    """Largest 8-connected component above a share of the maximum, in the pixels of a file of `size` (w, h)."""
    if saliency.max() <= 0:
        return (0, 0, *size)
    marked = components(saliency >= np.float32(threshold) * saliency.max(), connectivity=2)
    rows, columns = np.nonzero(marked == np.bincount(marked.ravel())[1:].argmax() + 1)
    corners = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return tuple(corner * side / SIDE for corner, side in zip(corners, (*size, *size), strict=True))


def by_loop(params, dataset, threshold):
    """The same figures image by image, by the reference's counting."""
    NETWORKS[id(params)] = params
    images = []
    for example in dataset:
        scores, maps, size = see(id(params), example.path)
        images.append(
            {
                "label": example.label,
                "guesses": [(c, box_of(maps[c], threshold, size)) for c in np.argsort(-scores, kind="stable")[:5]],
                "true_class_box": box_of(maps[example.label], threshold, size),
                "truth": example.boxes,
                "whole_image": maps[example.label].max() <= 0,
            }
        )
    return reference.count(images)


@pytest.mark.core
@pytest.mark.parametrize(
    "batch_size", [4, pytest.param(13, marks=pytest.mark.slow)]
)  # on four devices: 4 and 16 rows a step
def test_evaluate_equals_a_loop_over_the_images(params, dataset, batch_size):
    report = evaluate(params, dataset, batch_size=batch_size, progress=False)
    expected = by_loop(params, dataset, THRESHOLD)
    assert report.counts._asdict() == expected
    # The case is worth its name: every count is there, and none is everything.
    assert expected["images"] == 13
    assert expected["boxed"] == 12
    assert all(0 < expected[name] < 12 for name in ("top1", "top5", "gt_known", "top1_loc", "top5_loc", "whole_image"))
    # The last batch of 4 is padded with the last image, which would show if it counted again.
    assert by_loop(params, dataset[12:], THRESHOLD)["gt_known"] == 1
    assert report.threshold == THRESHOLD


def test_another_threshold_or_network_is_no_new_program(params, dataset):
    before = evaluate(params, dataset, batch_size=4, progress=False)
    compiled = on_devices(look, protocol=Protocol(), localize=True)
    programs = compiled._cache_size()
    assert programs > 0
    after = evaluate(params, dataset, batch_size=4, threshold=0.8, progress=False)
    assert after.counts._asdict() == by_loop(params, dataset, 0.8)
    assert after.counts.gt_known != before.counts.gt_known
    evaluate(params.replace(variables=jax.tree.map(jnp.sin, params.variables)), dataset, batch_size=4, progress=False)
    assert compiled._cache_size() == programs


def test_baselines_equal_a_loop_over_the_images(params, dataset):
    NETWORKS[id(params)] = params
    baselines = evaluate(params, dataset, batch_size=4, progress=False).baselines

    def gt_known(share):
        right = 0
        for example in dataset:
            _, _, (width, height) = see(id(params), example.path)
            box = [s * side / 2 for s in (1 - share, 1 + share) for side in (width, height)]
            right += any(reference.iou(box, truth) >= 0.5 for truth in example.boxes)
        return right

    accuracies = [gt_known(share) for share in SHARES]
    assert baselines.whole_image == gt_known(1.0)
    assert baselines.centred_box == max(accuracies)
    assert baselines.centred_share == SHARES[int(np.argmax(accuracies))]
    assert baselines.centred_box > baselines.whole_image
    assert 0 <= baselines.random_map <= 12
    assert baselines == evaluate(params, dataset, batch_size=13, progress=False).baselines


def test_a_limit_is_the_spread(params, dataset):
    report = evaluate(params, dataset, batch_size=4, limit=6, progress=False)
    assert report.counts._asdict() == by_loop(params, dataset.spread(6), THRESHOLD)


def without_boxes(dataset):
    return replace(dataset, examples=tuple(replace(example, boxes=()) for example in dataset))


def test_without_boxes_there_is_classification_alone(params, dataset):
    report = evaluate(params, without_boxes(dataset), batch_size=4, progress=False)
    full = evaluate(params, dataset, batch_size=4, progress=False)
    assert report.figures == {name: full.figures[name] for name in ("top1_accuracy", "top5_accuracy")}
    assert report.baselines is None
    assert "no ground-truth boxes" in str(report)


def test_progress_goes_to_stderr(params, dataset, capsys):
    evaluate(params, dataset, batch_size=4)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "13/13" in shown.err
    assert "gt_known=" in shown.err
    evaluate(params, dataset, batch_size=4, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_choose_threshold_is_evaluate_at_each(params, dataset):
    values = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
    curve = choose_threshold(params, dataset, thresholds=values[::-1], batch_size=4, progress=False)
    expected = [100 * by_loop(params, dataset, value)["gt_known"] / 12 for value in values]
    assert len(set(expected)) > 2
    assert curve.values == values
    assert curve.gt_known == pytest.approx(expected)
    assert curve.images == 12
    assert curve.best == values[int(np.argmax(expected))]
    limited = choose_threshold(params, dataset, thresholds=values, batch_size=4, limit=6, progress=False)
    assert limited.gt_known[2] == pytest.approx(
        100 * by_loop(params, dataset.spread(6), 0.45)["gt_known"] / limited.images
    )


def test_a_whole_map_is_a_whole_file():
    """Without a rounded quotient, by which an IoU of exactly one half could fall short."""
    sizes = np.stack(np.meshgrid(np.arange(1, 400), [375]), axis=-1)[0]
    boxes = in_file(np.tile(np.float32([0, 0, 299, 299]), (len(sizes), 1)), sizes, (299, 299))
    np.testing.assert_array_equal(boxes[:, [3, 2]], sizes)


def test_choose_threshold_wants_training_images_with_boxes(params, dataset):
    with pytest.raises(ValueError, match="got 'val'; a threshold is chosen on training images"):
        choose_threshold(params, replace(dataset, split="val"))
    with pytest.raises(ValueError, match="no ground-truth boxes"):
        choose_threshold(params, without_boxes(replace(dataset, split="train[:10%]")))
    with pytest.raises(ValueError, match="thresholds: got none"):
        choose_threshold(params, dataset, thresholds=())
    with pytest.raises(ValueError, match=r"got 1\.5; give a share"):
        choose_threshold(params, dataset, thresholds=(0.5, 1.5))


@pytest.mark.parametrize("value", [0.0, -0.1, 1.01, float("nan")])
def test_a_threshold_is_a_share(params, dataset, value):
    with pytest.raises(ValueError, match="give a share of the map's maximum"):
        evaluate(params, dataset, threshold=value)


IDS = ("n1", "n2")


@pytest.mark.parametrize(
    "card, names, ids, message",
    [
        ((("a", "b"), ()), ("a", "b", "c"), (), "got 3 classes for a network of 2"),
        ((("a", "b"), ()), ("b", "a"), (), "2 of 2 classes are not the network's; class 0 is 'b' and should be 'a'"),
        ((("a", "b"), IDS), ("a", "c"), (), "class 1 is 'c' and should be 'b'"),
        ((("a", "b"), IDS), ("a", "b"), ("n1", "n3"), "class 1 is 'n3' and should be 'n2'"),
        ((("a", "b"), IDS), ("n1", "n3"), (), "class 0 is 'n1' and should be 'a'"),
        ((("a", "b"), ()), ("class 0",), (), None),  # without names
        ((CLASSES, ()), class_names(205)[0], (), "got 205 classes for a network of 7"),
        ((("a", "b"), ()), ("a", "b"), IDS, None),
        ((("a", "b"), IDS), ("other", "names"), IDS, None),  # ids decide
        ((("a", "b"), IDS), IDS, (), None),  # folders named by id
        ((("a", "b"), IDS), ("a", "b"), (), None),
    ],
)
def test_classes_must_be_the_cards(card, names, ids, message):
    card, dataset = jaxcam.Card(classes=card[0], class_ids=card[1]), Dataset((), names, ids)
    if message is None:
        check_classes(card, dataset)
    else:
        with pytest.raises(ValueError, match=message):
            check_classes(card, dataset)


def test_networks_that_cannot_be_evaluated(params, dataset):
    with pytest.raises(ValueError, match="got a network for 1 channels"):
        evaluate(params.replace(card=replace(params.card, channels=1)), dataset)
    with pytest.raises(ValueError, match="got 7 classes for a network of 4"):
        evaluate(params.replace(card=replace(params.card, classes=CLASSES[:4])), dataset)
    bicubic = replace(params.card, preprocessing=jaxcam.Preprocessing(interpolation="bicubic"))
    with pytest.raises(ValueError, match="data sets are squashed with 'bilinear'"):
        evaluate(params.replace(card=bicubic), dataset)
    flat = jaxcam.from_functions(
        lambda w, images: images, lambda w, x: x.mean((1, 2)) @ w, variables=jnp.ones((3, 7)), card=params.card
    )
    with pytest.raises(ValueError, match="no linear layer over pooled features"):
        evaluate(flat, dataset)
    with pytest.raises(ValueError, match="stage: got 'fc9'; this network has"):
        evaluate(params, dataset, protocol=Protocol(method="grad_cam", stage="fc9"))
    with pytest.raises(ValueError, match="method: got 'came'; known are cam, "):
        Protocol(method="came")
    with pytest.raises(ValueError, match="stage: got 'stem' for saliency, which looks at no stage"):
        Protocol(method="saliency", stage="stem")
    with pytest.raises(ValueError, match="views: got ten_crop with method grad_cam"):
        Protocol(method="grad_cam", views="ten_crop")
    vectors = jaxcam.from_functions(
        lambda w, images: images.mean((1, 2)), lambda w, x: x @ w, variables=jnp.ones((3, 7)), card=params.card
    )
    whole, crops, own = Protocol(), Protocol(views="ten_crop"), Protocol(box_grid="image")
    for network, protocol in [(flat, whole), (flat, crops), (flat, own), (vectors, whole), (vectors, own)]:
        report = evaluate(network, without_boxes(dataset), protocol=protocol, batch_size=4, progress=False)
        assert report.counts.images == 13


def test_an_unreadable_image_is_named(params, dataset, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    broken = replace(dataset, examples=(*dataset.examples, Example(tmp_path / "broken.png", 0)))
    with pytest.raises(ValueError, match=r"broken\.png: cannot be read"):
        evaluate(params, broken, batch_size=4, progress=False)


@pytest.mark.slow
def test_samples_are_what_the_network_sees(params, dataset):
    seen = samples(params, dataset, count=6)
    NETWORKS[id(params)] = params
    assert {sample.box_right for sample in seen} == {True, False}
    for sample, example in zip(seen, dataset.spread(6), strict=True):
        scores, maps, size = see(id(params), example.path)
        guess = int(scores.argmax())
        box = box_of(maps[guess], THRESHOLD, size)
        assert (sample.guess, sample.label) == (CLASSES[guess], CLASSES[example.label])
        assert sample.probability == pytest.approx(float(jax.nn.softmax(scores)[guess]), rel=1e-5)
        assert sample.class_right == (guess == example.label)
        assert sample.box_right == any(reference.iou(box, truth) >= 0.5 for truth in example.boxes)
        np.testing.assert_allclose(sample.box, box, rtol=1e-6)
        np.testing.assert_array_equal(sample.truth, np.reshape(example.boxes, (-1, 4)))
        np.testing.assert_array_equal(sample.photo, read_image(example.path))
        assert sample.map.shape == sample.photo.shape[:2]
        assert abs(sample.map.mean() - maps[guess].mean()) < 0.1 * np.abs(maps[guess]).max()
