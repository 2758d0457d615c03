"""Heatmaps of fixed images: the known maps of a colour network, hot where the object is; the sheet over epochs."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.datasets import Dataset, Example
from jaxcam.report.contact_sheet import RIGHT, TRUE, WRONG
from jaxcam.training.emergence import (
    HEAD,
    HEIGHT,
    WIDTH,
    choose_examples,
    draw_heatmaps,
    no_heatmaps,
    save_emergence,
    save_heatmaps,
)
from tests.colour_network import NAMES, colour_params
from tests.made_data import COLOURS, photo

pytestmark = pytest.mark.slow

OBJECTS = ((10, 15, 40, 45), (40, 15, 70, 45), (20, 30, 60, 45))  # on whole cells of the network's
CELL = 32  # pixels of the picture that a cell of the network covers
COLD, HOT = np.array([0, 0, 127]), np.array([127, 0, 0])  # the ends of jet


@pytest.fixture(scope="module")
def params():
    return colour_params()


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A photo with a rectangle a class; the last photo, of a red one, is labelled blue."""
    home, made = tmp_path_factory.mktemp("photos"), []
    for number, (label, colour) in enumerate(((0, 0), (1, 1), (2, 2), (2, 0))):
        box = OBJECTS[number % 3]
        photo(home / f"{number}.png", colour, box)
        made.append(Example(home / f"{number}.png", label, (tuple(map(float, box)),)))
    return Dataset(tuple(made), NAMES)


@pytest.fixture(scope="module")
def tiles(params, examples):
    picture = draw_heatmaps(params, examples).astype(int)
    assert picture.shape[1] == 4 * WIDTH
    return [picture[:HEIGHT, left : left + WIDTH] for left in range(0, 4 * WIDTH, WIDTH)]


def looks_like(picture, colour, tolerance=6):
    if isinstance(colour, str):
        colour = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return (np.abs(picture - np.rint(colour)) <= tolerance).all(-1)


def extent(mask):
    """(x0, y0, x1, y1) of what is True."""
    y, x = np.nonzero(mask)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


def test_true_class_is_hot_where_the_object_is(tiles):
    for tile, colour in zip(tiles, COLOURS, strict=False):
        hot = looks_like(tile, 0.6 * np.array(colour) + 0.4 * HOT)
        cold = looks_like(tile, 0.6 * 120 + 0.4 * COLD)
        truth, hottest = extent(looks_like(tile, TRUE)), extent(hot)
        assert (hottest[:2] > truth[:2]).all()
        assert (hottest[2:] < truth[2:]).all()
        middle = (truth[:2] + truth[2:]) / 2
        np.testing.assert_allclose((hottest[:2] + hottest[2:]) / 2, middle, atol=CELL / 8)
        assert hot[round(middle[1]), round(middle[0])]
        # Away from the object, and from the frames around it, there is nothing.
        away, shown = np.zeros_like(cold), extent(hot | cold)
        away[shown[1] : shown[3], shown[0] : shown[2]] = True
        away[truth[1] - CELL : truth[3] + CELL, max(0, truth[0] - CELL) : truth[2] + CELL] = False
        assert away.sum() > 5000
        assert cold[away].mean() > 0.99


def test_map_is_of_the_true_class_and_not_of_the_predicted_one(tiles):
    """Red speaks against blue: there is no heat on a red object that should be blue."""
    assert looks_like(tiles[3], 0.6 * np.array(COLOURS[0]) + 0.4 * COLD).sum() > 1000
    assert not looks_like(tiles[3], 0.6 * np.array(COLOURS[0]) + 0.4 * HOT).any()


def test_captions_tell_right_from_wrong(tiles):
    for tile, right in zip(tiles, (True, True, True, False), strict=True):
        assert looks_like(tile[:50], RIGHT).any() == right
        assert looks_like(tile[:50], WRONG).any() == (not right)


def test_sheet_has_a_row_an_image_and_a_column_an_epoch(params, examples, tmp_path):
    strips = []
    for epoch, scale in ((3.0, (1, 1, 1)), (1.0, (-1, 1, 1)), (2.0, (1, -1, 1)), (2.5, (1, 1, -1))):
        changed = params.replace(variables=params.variables * jnp.array(scale, jnp.float32)[:, None])
        path = save_heatmaps(changed, examples, tmp_path, epoch)
        with Image.open(path) as image:
            strips.append((epoch, np.asarray(image)))
    names = sorted(path.name for path in (tmp_path / "heatmaps").iterdir())
    assert names == ["epoch_001.png", "epoch_002.png", "epoch_002_5.png", "epoch_003.png"]
    assert save_emergence(tmp_path) == tmp_path / "emergence.png"
    with Image.open(tmp_path / "emergence.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape[1] == 4 * WIDTH
    for column, (_, strip) in enumerate(sorted(strips, key=lambda pair: pair[0])):
        for row in range(4):
            top, left = HEAD + row * HEIGHT, column * WIDTH
            expected = strip[:HEIGHT, row * WIDTH : (row + 1) * WIDTH]
            np.testing.assert_array_equal(sheet[top : top + HEIGHT, left : left + WIDTH], expected)
    assert len({strip.tobytes() for _, strip in strips}) == 4


def test_of_many_epochs_some_are_shown(tmp_path):
    (tmp_path / "heatmaps").mkdir()
    for epoch in range(100, 131):
        Image.new("RGB", (WIDTH, HEIGHT), (epoch, 0, 0)).save(tmp_path / f"heatmaps/epoch_{epoch}.png")
    save_emergence(tmp_path)
    with Image.open(tmp_path / "emergence.png") as image:
        shown = np.asarray(image)[HEAD + HEIGHT // 2, WIDTH // 2 :: WIDTH, 0].tolist()
    assert shown == [100, 103, 107, 110, 113, 117, 120, 123, 127, 130]
    Image.new("RGB", (2 * WIDTH, HEIGHT)).save(tmp_path / "heatmaps/epoch_131.png")
    with pytest.raises(ValueError, match="pictures of different sizes"):
        save_emergence(tmp_path)


def test_none_without_class_maps_or_images(params, examples, tmp_path):
    plain = jaxcam.from_functions(
        lambda weights, images: images, lambda weights, features: features.mean((1, 2)), card=params.card
    )
    assert no_heatmaps(params) == ""
    assert "no linear layer" in no_heatmaps(plain)
    assert "\n" not in no_heatmaps(plain)
    assert save_heatmaps(plain, examples, tmp_path, 1.0) is None
    assert save_heatmaps(params, examples[:0], tmp_path, 1.0) is None
    assert save_emergence(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_class_names_of_any_letters(params, examples, tmp_path):
    named = Dataset(examples.examples, ("$x_1$ and more than fits above a picture", "ありがとう", "blue"))
    assert save_heatmaps(params, named, tmp_path, 1.0)


@pytest.mark.parametrize(
    "labels, count, expected",
    [
        ([0] * 50 + [1] * 3 + [2], 5, [0, 1, 2, 0, 1]),  # however few there are of a class
        ([5, 4, 3, 2, 1, 0], 3, [1, 3, 5]),
        ([0, 0, 1, 1], 2, [0, 1]),
        ([0, 1], 8, [0, 1]),
        ([], 8, []),
    ],
)
def test_examples_are_spread_over_classes(tmp_path, labels, count, expected):
    made = tuple(Example(tmp_path / f"{number}.png", label) for number, label in enumerate(labels))
    dataset = Dataset(made, tuple("abcdef"))
    chosen = choose_examples(dataset, count)
    assert [example.label for example in chosen] == expected
    assert len({example.path for example in chosen}) == len(expected)
    assert choose_examples(dataset, count) == chosen
