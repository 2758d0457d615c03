"""jaxcam compare: methods side by side, beside plain calls on one image after another."""

import json
import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.cli import main
from jaxcam.comparison import compare, save_comparison
from jaxcam.comparison.tally import THRESHOLDS, centre
from jaxcam.faithfulness import figures, measure_faithfulness
from jaxcam.geometry import iou
from jaxcam.metrics import highest_points
from jaxcam.report.comparison import Column, draw_table
from tests.colour_network import colour_dataset, colour_params
from tests.made_data import make_wsol_masks

pytestmark = pytest.mark.slow

METHODS = {"cam": jaxcam.cam, "negated": lambda *given: -jaxcam.cam(*given)}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return colour_dataset(make_wsol_masks(tmp_path_factory.mktemp("data"), count=5))


@pytest.fixture(scope="module")
def compared(dataset):
    """In batches of which the last is not full."""
    metrics = ("insertion", "deletion", "sparseness", "mask_iou")
    return compare(colour_params(), dataset, METHODS, batch_size=2, pictures=3, metrics=metrics, progress=False)


def squashed(example, params):
    """The photo as the network sees it, and its boxes there."""
    image, size = Image.open(example.path), params.card.image_size
    scale = np.array([size[1] / image.width, size[0] / image.height] * 2, np.float32)
    photo = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))
    return photo, np.array(example.boxes, np.float32) * scale


def test_localization_equals_plain_calls(dataset, compared):
    params, right, points = colour_params(), np.zeros((2, 20)), np.zeros(2)
    for example in dataset:
        photo, truth = squashed(example, params)
        for row, method in enumerate(("cam", "negated")):
            maps = METHODS[method](params, photo, example.label)
            for column, threshold in enumerate((*THRESHOLDS, params.card.threshold)):
                right[row, column] += iou(np.asarray(jaxcam.boxes(maps, threshold=threshold))[None], truth).max() >= 0.5
            x, y = np.asarray(highest_points(maps))
            points[row] += any(x0 <= x < x1 and y0 <= y < y1 for x0, y0, x1, y1 in truth)
    assert right[0].max() > right[1].max()
    for row, method in enumerate(("cam", "negated")):
        found = compared.rows[method]
        assert found["gt_known"] == pytest.approx(100 * right[row, -1] / len(dataset))
        assert found["gt_known_best"] == pytest.approx(100 * right[row, :-1].max() / len(dataset))
        assert found["best_threshold"] == THRESHOLDS[right[row, :-1].argmax()]
        assert found["pointing"] == pytest.approx(100 * points[row] / len(dataset))
        assert found["images_per_second"] > 0
    assert (compared.images, compared.boxed, compared.skipped) == (5, 5, 0)


def test_faithfulness_is_that_of_all_images_at_once(dataset, compared):
    params = colour_params()
    photos = np.stack([squashed(example, params)[0] for example in dataset])
    labels = np.array([example.label for example in dataset], np.int32)
    names = ("insertion", "deletion", "sparseness")
    record = measure_faithfulness(params, jaxcam.cam, photos, labels, key=jax.random.key(0), metrics=names)
    for name, value in figures(record).items():
        assert compared.rows["cam"][name] == pytest.approx(value, rel=1e-4)
    assert 0 < compared.rows["cam"]["mask_iou"] < 1
    assert "sparseness" not in compared.rows["centre"]
    assert compared.rows["random"]["deletion"] > compared.rows["cam"]["deletion"]


def test_pictures_are_the_methods_maps(dataset, compared):
    params = colour_params()
    assert [picture.label for picture in compared.pictures] == [
        params.card.classes[dataset[i].label] for i in (0, 2, 4)
    ]
    for picture, index in zip(compared.pictures, (0, 2, 4), strict=True):
        photo, _ = squashed(dataset[index], params)
        assert set(picture.maps) == set(METHODS)
        np.testing.assert_allclose(picture.maps["negated"], -picture.maps["cam"])
        np.testing.assert_allclose(picture.maps["cam"], jaxcam.cam(params, photo, dataset[index].label), atol=1e-5)


def test_centre_is_highest_in_the_middle():
    (found,) = centre(colour_params(), jnp.zeros((1, 5, 7, 3)))
    assert np.unravel_index(found.argmax(), found.shape) == (2, 3)
    np.testing.assert_allclose([found[2, 3], found[0, 0], found[4, 6]], [1, 0, 0], atol=1e-6)


def test_files_hold_the_table(compared, tmp_path):
    assert save_comparison(compared, tmp_path, dataset="colours <val>") == ["comparison.json", "comparison.html"]
    saved = json.loads((tmp_path / "comparison.json").read_text())
    assert saved["methods"] == compared.rows
    assert saved["dataset"] == "colours <val>"
    page = (tmp_path / "comparison.html").read_text()
    assert "colours &lt;val&gt;" in page
    assert len(re.findall(r'<img class="heat"', page)) == 3 * len(METHODS)
    for method in METHODS:
        shown = re.search(rf'<th scope="row">{method}</th><td>(?:<b>)?([\d.]+)', page)
        assert float(shown[1]) == pytest.approx(compared.rows[method]["gt_known"], abs=0.05)


def test_the_best_have_a_star_as_far_as_digits_tell():
    columns = {
        "up": Column("up", "one", "", digits=0),
        "down": Column("down", "one", "", "lower"),
        "none": Column("none", "two", "", ""),
        "empty": Column("empty", "three", ""),
    }
    rows = {"a": {"up": 1.2, "down": 2.0, "none": 1.0}, "b": {"up": 1.4, "down": 1.0}, "c": {"down": float("nan")}}
    assert draw_table(rows, columns).split("\n\n") == [
        "one  up   down\na     1*   2.0\nb     1*   1.0*\nc     -      -",
        "two  none\na     1.0\nb       -\nc       -",
    ]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_a_mask_that_cannot_be_read(tmp_path, damage):
    given = colour_dataset(make_wsol_masks(tmp_path, count=5))
    how = {"batch_size": 2, "pictures": 0, "metrics": ("mask_iou",), "progress": False}
    rest = replace(given, examples=(given[0], *given[2:]))
    expected = compare(colour_params(), rest, METHODS, **how)
    damage(given[1].masks[0])
    with pytest.raises(ValueError, match="cannot be read"):
        compare(colour_params(), given, METHODS, **how)
    found = compare(colour_params(), given, METHODS, on_error="skip", **how)
    assert (found.images, found.boxed, found.skipped) == (4, 4, 1)
    assert str(found).endswith("Files that could not be read, and count for nothing: 1.")
    for name in ("gt_known", "pointing", "mask_iou"):
        assert found.rows["cam"][name] == pytest.approx(expected.rows["cam"][name])
    # Nobody asked for what needs masks.
    assert compare(colour_params(), given, METHODS, **{**how, "metrics": ()}).images == 5
    for example in given:
        damage(example.path)
    with pytest.raises(ValueError, match="dataset: none of 5 images could be read"):
        compare(colour_params(), given, METHODS, on_error="skip", **how)


def test_mistakes(dataset):
    params = colour_params()
    with pytest.raises(ValueError, match="methods: got one called centre, as the maps beside them"):
        compare(params, dataset, {"centre": jaxcam.cam})
    with pytest.raises(ValueError, match=r"threshold: got 7.0; give a share"):
        compare(params, dataset, METHODS, threshold=7.0)
    with pytest.raises(ValueError, match="metrics: got beauty; known are insertion"):
        compare(params, dataset, METHODS, metrics=["beauty"])


def test_command(dataset, tmp_path, monkeypatch, capsys):
    params = colour_params()
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: params)
    monkeypatch.setattr("jaxcam.commands.data.read_dataset", lambda *_, **__: dataset)
    arguments = ["compare", "wsol", "--data-dir", ".", "--out", str(tmp_path), "--batch-size", "2"]
    assert main([*arguments, "--methods", "cam, grad_cam", "--metrics", "sparseness"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["localization", "cam", "grad_cam", "centre", "random"]
    for wrong, message in {
        "cam,cat": "method: got 'cat'",
        "cam:x": "stage: got 'x' for cam",
        ",": "methods: got none",
    }.items():
        assert main([*arguments, "--methods", wrong]) == 2
        assert message in capsys.readouterr().err
