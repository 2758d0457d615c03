"""Class-specific units: a network that knows colours, beside sorting all images at once; and the command."""

import json
import re
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.applications import _top_activations
from jaxcam.applications.class_units import find_units
from jaxcam.applications.receptive_fields import ReceptiveField
from jaxcam.cli import main
from jaxcam.datasets import Dataset, folder
from jaxcam.geometry import resize_matrix
from jaxcam.image_files import read_image
from tests.colour_network import CELL, NAMES, colour_params
from tests.hand_network import hand_params
from tests.made_data import COLOURS

HEIGHT, WIDTH, SIZE = 60, 80, 32


def exact_features(kernel, images):
    """How much more than 120 of 255 there is of each colour in cells of 4x4 pixels, the same in any batch."""
    batch, height, width, channels = images.shape
    blocks = jnp.round(255 * images).reshape(batch, height // CELL, CELL, width // CELL, CELL, channels)
    return jax.nn.relu(blocks.mean((2, 4)) - 120)


def exact_params(classes=NAMES):
    """Of whole numbers, whose means have no rounding; it was made for squares on a darker ground."""
    params = colour_params(classes)
    return params.replace(network=replace(params.network, features_function=exact_features))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Photos without a loss, of one colour a folder, some with squares that fill the same cells alike."""
    home = tmp_path_factory.mktemp("squares")
    for number in range(7):
        for label, name in enumerate(NAMES):
            x, y, side = 10 * (number % 3), 5 * (number % 4), 12 + 14 * (number % 3)
            pixels = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
            pixels[y : y + side, x : x + side] = COLOURS[label]
            (home / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(home / name / f"{number}.png")
    return home


@pytest.fixture(scope="module")
def dataset(home):
    """The colours in turn, so that their order is not that of the data set's classes."""
    found = folder(home)
    examples = tuple(found[index] for index in np.arange(21).reshape(3, 7).T.ravel().tolist())
    return replace(found, examples=examples)


@pytest.fixture(scope="module")
def features(dataset):
    """Of all images at once, (b, y, x, k)."""
    photos = [Image.open(example.path).resize((SIZE, SIZE), Image.Resampling.BILINEAR) for example in dataset]
    return np.asarray(jaxcam.features(exact_params(), np.stack([np.asarray(each) for each in photos])))


def find(dataset, labels=(0, 2), **options):
    return find_units(exact_params(), dataset, list(labels), progress=False, **{"num_units": 2, **options})


def sorted_places(features, unit, count):
    return np.argsort(-features[..., unit].max((1, 2)), kind="stable")[:count].tolist()


def same(one, other):
    """All but the pixels, which have no truth value."""
    return one.as_json() == other.as_json()


def test_units_are_ranked_by_weight(dataset):
    kernel = np.asarray(colour_params().variables)
    found = find(dataset, (2, 0, 2), num_units=3, num_images=1)
    assert [(each.label, each.name) for each in found.classes] == [(2, "blue"), (0, "red")]
    for each in found.classes:
        order = np.argsort(-kernel[:, each.label])
        assert [unit.unit for unit in each.units] == order.tolist()
        assert [unit.weight for unit in each.units] == pytest.approx(kernel[order, each.label].tolist())


@pytest.mark.parametrize("batch_size, devices", [(4, 4), (9, 1), (64, 2)])
def test_top_images_are_those_of_sorting_all(dataset, features, batch_size, devices, monkeypatch):
    """Ties, of which there are many, go by the order of the data set."""
    some = jax.local_devices()[:devices]
    monkeypatch.setattr(jax, "local_devices", lambda: some)
    monkeypatch.setattr(jax, "local_device_count", lambda: devices)
    found = find(dataset, num_images=10, top_share=0.02, batch_size=batch_size)
    scores = features[..., 0].max((1, 2))
    assert len(np.unique(scores[sorted_places(features, 0, 10)])) < 7
    for each in found.classes:
        for unit in each.units:
            values = features[..., unit.unit]
            assert [image.place for image in unit.images] == sorted_places(features, unit.unit, 10)
            highest = values.max((1, 2))[sorted_places(features, unit.unit, 10)]
            assert [image.activation for image in unit.images] == highest.tolist()
            above = int(0.02 * values.size)
            assert unit.threshold == np.sort(values.ravel())[-1 - above]
            for image in unit.images:
                assert image.cell == np.unravel_index(values[image.place].argmax(), values.shape[1:])
                assert image.path == str(dataset[image.place].path)
                assert image.label == dataset.classes[dataset[image.place].label]


def test_the_unit_that_knows_red_shows_red_squares(dataset, features):
    found = find(dataset, [0], num_units=1, num_images=7, top_share=0.3)
    (unit,) = found.classes[0].units
    assert (unit.unit, unit.labels()) == (0, {"red": 7})
    for image in unit.images:
        pixels = read_image(image.path)
        rows, columns = np.nonzero(pixels[..., 0] > 200)
        box = np.array([columns.min() / WIDTH, rows.min() / HEIGHT, columns.max() / WIDTH, rows.max() / HEIGHT]) * SIZE
        matrix = resize_matrix(SIZE // CELL, SIZE)
        upsampled = matrix @ features[image.place, ..., 0] @ matrix.T
        margin = np.abs(upsampled - unit.threshold) > 1e-4
        np.testing.assert_array_equal(image.segment[margin], (upsampled > unit.threshold)[margin])
        y, x = np.nonzero(image.segment)
        # A cell has some of the square up to a cell beside it, and half a cell further on there is something left.
        np.testing.assert_allclose([x.min(), y.min(), x.max() + 1, y.max() + 1], box, atol=1.5 * CELL)
        np.testing.assert_array_equal(image.picture()[image.segment], image.photo[image.segment])
        assert image.picture()[~image.segment].max() < 80
        y, x = image.cell
        assert image.field == (CELL * x, CELL * y, CELL * (x + 1), CELL * (y + 1))
    assert found.field == ReceptiveField((CELL, CELL), (CELL, CELL), (0, 0))
    assert (found.images, found.cells, found.image_size) == (21, (8, 8), (SIZE, SIZE))


def test_a_threshold_no_image_is_above_is_said(dataset):
    """Of 21 * 64 cells none may be above: the threshold is the highest activation itself."""
    found = find(dataset, [0], num_units=1, num_images=3, top_share=1e-4)
    (unit,) = found.classes[0].units
    assert unit.threshold == unit.images[0].activation
    assert "3 of 3 pictures have no segment: nothing in them is above the threshold." in found.notes()


def test_an_interrupted_pass_goes_on(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(_top_activations, "SAVE_SECONDS", 0.0)
    how, state = {"num_images": 5, "top_share": 0.1, "batch_size": 4}, tmp_path / "out" / "state.npz"
    whole, added = find(dataset, **how), _top_activations.TopActivations.add
    calls = []

    def stop(kept, *given):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(int(kept.done))
        added(kept, *given)

    monkeypatch.setattr(_top_activations.TopActivations, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        find(dataset, state=state, **how)
    calls.clear()
    with pytest.raises(ValueError, match=r"other settings \(num_images: 5 there, 4 here\); finish it with those"):
        find(dataset, state=state, **{**how, "num_images": 4})
    assert same(find(dataset, state=state, **{**how, "batch_size": 8}), whole)
    assert calls == [12, 20]
    calls.clear()
    assert same(find(dataset, state=state, **how), whole)
    assert calls == []
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"state.npz: damaged .*; delete it"):
        find(dataset, state=state, **how)


def test_unreadable_images_count_for_nothing(dataset, tmp_path, monkeypatch):
    (tmp_path / "bad.png").write_bytes(b"no image")
    examples = list(dataset)
    examples[3:3] = [replace(examples[0], path=tmp_path / "bad.png")]
    damaged = replace(dataset, examples=tuple(examples))
    how = {"num_images": 5, "top_share": 0.02, "batch_size": 4}
    found, plain = find(damaged, on_error="skip", **how).as_json(), find(dataset, **how).as_json()
    assert "bad.png: cannot be read" in found["skipped"][0]
    assert found["images"] == plain["images"]
    thresholds = [[unit["threshold"] for each in told["classes"] for unit in each["units"]] for told in (found, plain)]
    assert thresholds[0] == thresholds[1]
    paths = re.findall(r"\w+/\d.png", json.dumps(found["classes"]))
    assert paths == re.findall(r"\w+/\d.png", json.dumps(plain["classes"]))
    with pytest.raises(ValueError, match=r"bad\.png: cannot be read"):
        find(damaged, **how)
    monkeypatch.setattr(_top_activations, "SAVE_SECONDS", 0.0)
    find(damaged, on_error="skip", state=tmp_path / "state.npz", **how)
    with pytest.raises(ValueError, match=r"bad\.png is the first of 1 that it left out; finish it so, or delete"):
        find(damaged, state=tmp_path / "state.npz", **how)
    with pytest.raises(ValueError, match="num_images: got 22, and only 21 images can be read"):
        find(damaged, on_error="skip", **{**how, "num_images": 22})


def test_mistakes(dataset):
    for wrong, message in {
        "num_units": r"num_units: got 0; give at least 1, and no more than the network's 3",
        "num_images": r"num_images: got 0; give at least 1, and no more than the 21 images",
    }.items():
        with pytest.raises(ValueError, match=message):
            find(dataset, **{"num_images": 2, wrong: 0})
    with pytest.raises(ValueError, match=r"top_share: got 1\.0; give a share"):
        find(dataset, num_images=2, top_share=1.0)
    with pytest.raises(ValueError, match="no more than the 21 images"):
        find(dataset, num_images=22)
    with pytest.raises(ValueError, match=r"labels: got \[3\]; give classes of the network, 0 to 2"):
        find(dataset, [3])
    with pytest.raises(ValueError, match="labels: got "):
        find(dataset, [])
    with pytest.raises(ValueError, match="dataset: got no images"):
        find(Dataset((), NAMES))
    with pytest.raises(ValueError, match=r"no linear layer over pooled features \(no kernel\), so no weights to rank"):
        find_units(hand_params((4, 4)), dataset, [0], progress=False)
    params = colour_params()
    with pytest.raises(ValueError, match="the activations of image 0 are not all finite"):
        find_units(params.replace(network=replace(params.network, features_function=nans)), dataset, [0], num_units=1)


def nans(kernel, images):
    return jnp.full((len(images), 2, 2, 3), jnp.nan)


def test_a_receptive_field_may_be_unknown(dataset):
    params = colour_params()
    params = params.replace(network=replace(params.network, features_function=ranked))
    found = find_units(params, dataset, [0], num_units=1, num_images=2, progress=False)
    assert found.field is None
    assert found.classes[0].units[0].images[0].field is None
    assert "Receptive field of a cell: not known, as network: it has the operation 'sort'" in str(found)


def ranked(kernel, images):
    return jnp.sort(images[:, ::8, ::8], axis=1)


def test_command(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: exact_params(("red & ripe", "green", "blue")))
    arguments = ["units", "folder", "--data-dir", str(home), "--out", str(tmp_path), "--num-units", "2"]
    chosen = ["--class", "Red & ripe", "--class", "2"]
    assert main([*arguments, *chosen, "--num-images", "4", "--top-share", "0.3"]) == 0
    out = capsys.readouterr().out
    assert "red & ripe (class 0)" in out
    assert re.search(r"^ +0 +0\.392 +0\.000  4 red$", out, re.MULTILINE)
    assert "Receptive field of a cell: 4 x 4 pixels." in out
    sheets = ["000_red-ripe.png", "002_blue.png"]
    assert out.splitlines()[-1] == f"in {tmp_path}: units.html, units.json, {', '.join(sheets)}"
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([*sheets, "units.html", "units.json"])
    saved = json.loads((tmp_path / "units.json").read_text())
    assert saved["receptive_field"] == {"size": [4, 4], "stride": [4, 4], "offset": [0, 0], "whole_image": False}
    assert (saved["images"], saved["top_share"], saved["pictures"]) == (21, 0.3, sheets)
    assert saved["checkpoint_sha256"]
    assert [[unit["unit"] for unit in each["units"]] for each in saved["classes"]] == [[0, 1], [2, 1]]
    assert {Path(image["path"]).parent.name for image in saved["classes"][1]["units"][0]["images"]} == {"blue"}
    page = (tmp_path / "units.html").read_text()
    assert page.count("<img ") == page.count('<span class="box"') == 16
    assert "red &amp; ripe" in page
    assert "red & ripe" not in page
    for name in sheets:
        sheet = np.asarray(Image.open(tmp_path / name).convert("RGB"))
        assert (np.abs(sheet.astype(int) - (255, 210, 63)).max(-1) < 8).sum() > 8 * 50  # outlines
    red = np.asarray(Image.open(tmp_path / sheets[0]).convert("RGB")).astype(int)
    assert ((red[..., 0] > 200) & (red[..., 1] < 60)).sum() > 1000


def test_mistakes_of_the_command(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: exact_params())
    arguments = ["units", "folder", "--data-dir", str(home), "--out", str(tmp_path), "--num-units", "2"]
    for wrong, message in {
        (): "error: class: got none; give --class NAME",
        ("--class", "gren"): "got 'gren', which is none of the 3 classes; close ones are: green",
        ("--class", "red", "--num-images", "99"): "num_images: got 99; give at least 1, and no more than the 21 images",
        ("--class", "red", "--limit", "0"): "count: got 0; give at least 1 image",
    }.items():
        assert main([*arguments, *wrong]) == 2
        errors = capsys.readouterr().err.splitlines()
        assert message in errors[-1]
    assert not list(tmp_path.iterdir())
