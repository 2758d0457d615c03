"""Heatmaps and sheets, against plain NumPy, OpenCV's jet and what is found in the pictures themselves."""

from itertools import combinations

import cv2
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from skimage import data

from jaxcam.report.heatmaps import overlay
from jaxcam.report.sheet import draw_sheet, save_sheet

RANDOM = np.random.default_rng(0)
PHOTOS = RANDOM.integers(0, 256, (2, 12, 17, 3), np.uint8)
MAPS = RANDOM.normal(size=(2, 3, 12, 17)).astype(np.float32)


def by_hand(image, heat, alpha):
    """A heatmap over one image, pixel by pixel."""
    heat = np.maximum(heat, 0)
    heat = heat / heat.max() if heat.max() > 0 else heat
    colours = plt.get_cmap("jet")(np.rint(255 * heat).astype(int))[..., :3] * 255
    return (1 - alpha) * image + alpha * colours


@pytest.mark.core
@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_overlay_equals_the_formula(alpha):
    pictures = overlay(PHOTOS, MAPS, alpha=alpha)
    assert (pictures.dtype, pictures.shape) == (np.uint8, (2, 3, 12, 17, 3))
    for b, n in np.ndindex(2, 3):
        assert np.abs(pictures[b, n] - by_hand(PHOTOS[b], MAPS[b, n], alpha)).max() <= 1


def test_jet_is_close_to_the_one_of_opencv():
    ramp = np.arange(256, dtype=np.float32).reshape(1, 256)
    ours = overlay(np.zeros((1, 256, 3), np.uint8), ramp, alpha=1.0)
    theirs = cv2.applyColorMap(ramp.astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
    assert np.abs(ours.astype(int) - theirs).mean() <= 6  # breakpoints differ a little; swapped channels: 138


def test_every_shape_of_input_agrees():
    pictures = overlay(PHOTOS, MAPS)
    np.testing.assert_array_equal(overlay(PHOTOS, MAPS[:, 1]), pictures[:, 1])
    np.testing.assert_array_equal(overlay(PHOTOS[1], MAPS[1]), pictures[1])
    np.testing.assert_array_equal(overlay(PHOTOS[1], MAPS[1, 2]), pictures[1, 2])
    np.testing.assert_array_equal(overlay(jnp.asarray(PHOTOS), jnp.asarray(MAPS)), pictures)
    as_floats = overlay((PHOTOS / 255).astype(np.float32), MAPS.astype(np.float64))
    assert np.abs(as_floats.astype(int) - pictures).max() <= 1
    grey = overlay(PHOTOS[..., :1], MAPS)
    np.testing.assert_array_equal(grey, overlay(np.repeat(PHOTOS[..., :1], 3, axis=-1), MAPS))


@pytest.mark.parametrize("level", [0.0, -3.0])
def test_a_map_with_nothing_to_show_is_all_cold(level):
    cold = overlay(PHOTOS[0], np.full((12, 17), level, np.float32), alpha=1.0)
    assert (cold == cold[0, 0]).all()
    assert cold[0, 0].tolist() == [0, 0, 127]


def test_scaling_a_map_changes_nothing():
    np.testing.assert_array_equal(overlay(PHOTOS, 1000 * MAPS), overlay(PHOTOS, MAPS))


def test_boxes_are_outlined_and_nothing_else_changes():
    photo, heat = np.full((300, 450, 3), 90, np.uint8), np.zeros((300, 450), np.float32)
    plain = overlay(photo, heat)
    boxed = overlay(photo, heat, np.array([100.0, 50.0, 220.0, 180.0], np.float32))
    changed = (boxed != plain).any(-1)
    rows, columns = np.nonzero(changed)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (100, 50, 220, 180)
    assert not changed[60:170, 110:210].any()
    for line in (boxed[50:60, 160], boxed[170:180, 160], boxed[120, 100:110], boxed[120, 210:220]):
        assert (line == 255).all(-1).any(), "a white line"
        assert (line == 0).all(-1).any(), "and a dark one"


def test_boxes_belong_to_their_maps():
    photos = np.zeros((2, 40, 40, 3), np.uint8)
    boxes = np.array([[[0, 0, 9, 9], [5, 5, 30, 20]], [[10, 0, 40, 40], [0, 30, 40, 40]]], np.float32)
    pictures = overlay(photos, np.zeros((2, 2, 40, 40), np.float32), boxes, alpha=0.0)
    for b, n in np.ndindex(2, 2):
        rows, columns = np.nonzero(pictures[b, n].any(-1))
        x0, y0, x1, y1 = boxes[b, n]
        # With a dark rim on a black photo only the white line shows, a pixel further in.
        assert (columns.min(), rows.min(), columns.max(), rows.max()) == (x0 + 1, y0 + 1, x1 - 2, y1 - 2)


@pytest.mark.parametrize(
    "box, white",
    [
        ([3, 3, 4, 4], 1),
        ([3, 3, 5, 4], 2),
        ([0, 0, 1, 12], 12),
        ([5, 5, 5, 9], 0),
        ([-9, -9, 90, 90], 2 * (15 + 8)),
        ([2.5, 2.5, 3.5, 3.5], 4),
    ],
)
def test_odd_boxes(box, white):
    picture = overlay(np.full((12, 17, 3), 90, np.uint8), MAPS[0, 0], np.array(box, np.float32), alpha=0.0)
    assert (picture == 255).all(-1).sum() == white


def test_one_pixel():
    one = np.full((1, 1, 3), 10, np.uint8)
    assert overlay(one, np.ones((1, 1), np.float32), alpha=1.0).tolist() == [[[127, 0, 0]]]
    assert overlay(one, np.ones((1, 1), np.float32), np.array([0.0, 0, 1, 1])).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"maps": MAPS[..., :-1]}, r"maps: got shape \(2, 3, 12, 16\)"),
        ({"maps": MAPS[:1]}, "maps: got shape"),
        ({"maps": MAPS[0, 0]}, "maps: got shape"),
        ({"maps": MAPS[:, :, None]}, "maps: got shape"),
        ({"maps": np.where(MAPS > 2, np.nan, MAPS)}, "maps: got NaN"),
        ({"images": PHOTOS[..., :2]}, "images: got shape"),
        ({"images": PHOTOS[None]}, "images: got shape"),
        ({"images": PHOTOS.astype(np.float32)}, "images: got float32 from"),
        ({"images": PHOTOS.astype(np.int32)}, "images: got int32"),
        ({"images": np.full(PHOTOS.shape, np.nan, np.float32)}, "images: got float32 from nan"),
        ({"alpha": 1.5}, "alpha: got 1.5"),
        ({"colormap": "rainbows"}, "colormap: got 'rainbows'"),
        ({"boxes": np.zeros((2, 4), np.float32)}, r"boxes: got shape \(2, 4\); give \(2, 3, 4\)"),
        ({"boxes": np.full((2, 3, 4), np.nan, np.float32)}, "boxes: got NaN"),
    ],
)
def test_overlay_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        overlay(**{"images": PHOTOS, "maps": MAPS, **wrong})


NAMES = ["cat", "cougar, puma, catamount, mountain lion, painter, panther, Felis concolor", "costs $5_and$ \N{SNOWMAN}"]
SHAPES = {"usual": (30, 45), "tall": (200, 20), "wide": (5, 400), "strip": (1, 600), "one pixel": (1, 1)}


def sheet_of(shape, **options):
    photo = np.full((*shape, 3), 90, np.uint8)
    heat = np.ones((3, *shape), np.float32)
    box = [shape[1] / 4, shape[0] / 4, shape[1], shape[0]]
    words = {"title": "a-photo-with-a-long-name-without-any-blank-in-it-\u65e5.jpeg", "subtitle": "1 x 2 pixels"}
    words["caption"] = "A word and another word. " * 20
    return draw_sheet(photo, heat, np.array([box] * 3, np.float32), NAMES, [0.87654, 0.1, 0.0001], **words | options)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_sheet_keeps_everything_apart_and_inside(shape):
    sheet = sheet_of(shape)
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()
    page = sheet.bbox
    texts = {text.get_text(): text.get_window_extent() for text in sheet.texts if text.get_text()}
    pictures = [axes.get_window_extent() for axes in sheet.axes]
    assert len(pictures) == 4
    areas = [*texts.values(), *pictures, *(bar.get_window_extent() for bar in sheet.artists[::2])]
    for area in areas:
        assert page.x0 <= area.x0 <= area.x1 <= page.x1
        assert page.y0 <= area.y0 <= area.y1 <= page.y1
    inks = [(area.x0 + 1, area.y0 + 1, area.x1 - 1, area.y1 - 1) for area in areas]
    for a, b in combinations(inks, 2):
        assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1]), "two things overlap"
    assert {"cat", "87.7%", "10.0%", "<0.1%", "1 x 2 pixels"} <= set(texts)
    for picture in pictures:
        assert picture.width / picture.height == pytest.approx(shape[1] / shape[0])
    assert max(page.width, page.height) < 16 * sheet.dpi
    assert not any(text.get_parse_math() for text in sheet.texts), "a dollar sign in a name is no formula"


def test_a_box_falls_on_the_edges_of_pixels():
    photo, box = np.zeros((4, 8, 3), np.uint8), np.array([[2.0, 1, 6, 4]])
    axes = draw_sheet(photo, np.ones((1, 4, 8), np.float32), box, ["thing"], [0.5]).axes[1]
    frame = axes.transAxes.inverted().transform_bbox(axes.patches[0].get_window_extent())
    np.testing.assert_allclose(frame.extents, [2 / 8, 0, 6 / 8, 3 / 4], atol=1e-6)


def test_sheet_shows_the_photo_the_heat_and_the_box(tmp_path):
    photo = data.astronaut()[:300]
    heat = np.zeros((1, *photo.shape[:2]), np.float32)
    heat[:, 50:100, 60:160] = 1
    save_sheet(tmp_path / "sheet.png", draw_sheet(photo, heat, np.array([[60.0, 50, 160, 100]]), ["face"], [0.5]))
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG"
        sheet = np.asarray(image.convert("RGB"))
    figure = draw_sheet(photo, heat, np.array([[60.0, 50, 160, 100]]), ["face"], [0.5])
    areas = [axes.get_window_extent() for axes in figure.axes]
    shown = [sheet[len(sheet) - round(a.y1) : len(sheet) - round(a.y0), round(a.x0) : round(a.x1)] for a in areas]
    for picture, expected in zip(shown, (photo, overlay(photo, heat[0])), strict=True):
        back = cv2.resize(picture, photo.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(back - expected)[8:40, 8:-8].mean() < 8
    y, x = np.argwhere((shown[1] > 250).all(-1)[:, : shown[1].shape[1] // 2]).min(0) * photo.shape[0] / len(shown[1])
    assert (x, y) == (pytest.approx(60, abs=2), pytest.approx(50, abs=2))


def test_sheet_leaves_the_state_of_matplotlib_alone(tmp_path):
    before = dict(plt.rcParams)
    save_sheet(tmp_path / "new" / "sheet.png", sheet_of((20, 20)))
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before
    assert [path.name for path in tmp_path.rglob("*.*")] == ["sheet.png"]


def test_sheet_of_nothing_but_a_photo():
    photo = np.zeros((4, 4, 3), np.uint8)
    sheet = draw_sheet(photo, np.zeros((0, 4, 4), np.float32), np.zeros((0, 4), np.float32), [], [])
    assert len(sheet.axes) == 1


def test_sheet_errors():
    photo, heat = np.zeros((4, 4, 3), np.uint8), np.zeros((2, 4, 4), np.float32)
    with pytest.raises(ValueError, match="'names': 1"):
        draw_sheet(photo, heat, np.zeros((2, 4), np.float32), ["one"], [0.1, 0.2])
    with pytest.raises(ValueError, match="maps: got shape"):
        draw_sheet(photo, heat[:, :3], np.zeros((2, 4), np.float32), ["one", "two"], [0.1, 0.2])
