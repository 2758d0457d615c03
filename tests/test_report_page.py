"""jaxcam.report.page: what the page says, where it draws it, and that it asks for nothing."""

import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

import jaxcam.report
from jaxcam.report.page import ClassRow, Curve, save_page
from tests.made_pages import CURVES, EVERYTHING, NASTY, SAMPLES, sample

NO_TRUTH = np.zeros((0, 4), np.float32)
VOID = {"meta", "img", "input", "line", "circle", "polyline"}  # what this page closes at once


class Page(HTMLParser):
    """The elements of a page as (name, attributes) and the text within each; refuses what is not well nested."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements, self.texts, self.open = [], [], []
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.texts.append("")
        assert len(dict(attributes)) == len(attributes)
        if tag not in VOID:
            self.open.append((tag, len(self.texts) - 1))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, index in self.open:
            self.texts[index] += data

    def find(self, tag, kind=None):
        """Attributes of the elements of that name and class."""
        return [
            seen for name, seen in self.elements if name == tag and (kind in (None, *seen.get("class", "").split()))
        ]

    def text(self, tag, kind=None):
        found = zip(self.elements, self.texts, strict=True)
        return [text for (name, seen), text in found if name == tag and kind in (None, *seen.get("class", "").split())]


def saved(folder, **changes):
    save_page(folder / "report.html", **{"title": "Tiny", "settings": {}, "figures": {}, **changes})
    return Page(folder / "report.html")


@pytest.fixture(scope="module")
def full_page(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("page"), **EVERYTHING)


def decoded(uri, kind):
    start, _, data = uri.partition(",")
    assert start == f"data:{kind};base64"
    image = Image.open(BytesIO(base64.b64decode(data, validate=True)))
    image.load()
    return np.asarray(image.convert("RGB")).astype(int)


def test_names_from_files_stay_text(full_page):
    assert full_page.text("h1") == full_page.text("title")[:1] == [NASTY]
    assert full_page.text("dd") == ["paper", NASTY]
    assert full_page.text("dt") == ["rule", NASTY]
    assert full_page.text("li")[:2] == ["A sentence.", NASTY]
    assert [card["data-class"] for card in full_page.find("li", "card")] == [each.label for each in SAMPLES]
    assert full_page.text("p", "label")[-1] == f"true: {NASTY}"
    assert full_page.text("b")[1] == NASTY  # in the legend
    assert [row for row in full_page.text("th") if NASTY in row] == [NASTY] * 2
    folder = Path(jaxcam.report.__file__).parent
    assert full_page.text("script") == [(folder / "page.js").read_text(encoding="utf-8")]
    assert full_page.find("img", None) == [image for image in full_page.find("img") if image["src"].startswith("data:")]


def test_page_asks_for_nothing(full_page):
    text = re.sub(r"data:image/\w+;base64,[\w+/=]+", "", full_page.source)
    assert not re.search(r"https?:|url\(|@import|srcset|fetch\(|XMLHttp|import\(", text)
    assert {seen["href"][0] for _, seen in full_page.elements if "href" in seen} == {"#"}
    assert not full_page.find("link") + full_page.find("iframe")
    (policy,) = [seen["content"] for seen in full_page.find("meta") if "http-equiv" in seen]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_table_has_the_figures_by_group(full_page):
    table = full_page.text("table", "figures")[0]
    cells = re.findall(r"[^\n]+", table)
    assert [cell for cell in cells if cell.startswith(("classification", "localization", "further"))] == cells[1::2]
    assert cells[2] == "top-139.1538.20..40.1060.8510,000"
    assert cells[4] == "GT-known62.5060.00..64.0037.508,000"
    assert cells[6] == f"{NASTY}1.000.50..1.5099.007"


def test_curves_are_drawn_as_they_are_and_their_best_is_named(full_page):
    first, second = full_page.find("polyline")
    points = np.array([point.split(",") for point in first["points"].split()], float)
    np.testing.assert_allclose(points, np.stack(CURVES["IoU .5"], axis=1), atol=0.006)
    assert second["points"] == "0,10 0.5,25 1,25"
    assert full_page.text("ul", "legend") == [f"IoU .5 best 50.00 % at 0.3{NASTY} best 25.00 % at 0.5"]
    # The axis ends at 60, so that 50 is a sixth from the top.
    assert [(dot["cx"], float(dot["cy"][:-1])) for dot in full_page.find("circle")] == [
        ("30%", pytest.approx(100 / 6, abs=1e-3)),
        ("50%", pytest.approx(350 / 6, abs=1e-3)),
    ]
    assert [text for text in full_page.text("text") if " at " in text] == ["50.0 at 0.3", "25.0 at 0.5"]


def test_values_of_close_curves_cover_neither_each_other_nor_a_dot(tmp_path):
    best = ((0.3, 63.0), (0.302, 63.5), (0.31, 64.0), (0.28, 60.0))
    page = saved(tmp_path, curves={str(number): Curve((at,), (percent,)) for number, (at, percent) in enumerate(best)})
    dots = [float(dot["cy"][:-1]) for dot in page.find("circle")]
    labels = [seen for name, seen in page.elements if name == "text" and not {"dx", "dy"} & set(seen)]
    feet = sorted(float(label["y"][:-1]) for label in labels)
    assert len(feet) == len(best)
    assert np.diff(feet).min() >= 6.999
    assert not [dot for dot in dots for foot in feet if foot - 7 < dot < foot + 2]


def test_cards_say_what_was_guessed(full_page):
    assert [card["data-outcome"] for card in full_page.find("li", "card")] == [each.verdict for each in SAMPLES]
    assert full_page.text("p", "guess")[:2] == ["cat 62%", "dog 62%"]
    buttons = [text for text in full_page.text("button") if re.search(r" \d+$", text)]
    assert buttons == ["all 6", "right 3", "right class, wrong box 1", "wrong class, right box 1", "wrong 1"]
    assert full_page.text("option") == ["all 3", f"{NASTY} (1)", "bee (2)", "cat (3)"]
    assert all(image["alt"] for image in full_page.find("img"))


def test_boxes_stand_where_they_are(full_page):
    found, inner, beyond = (box["style"] for box in full_page.find("span", "box")[:3])
    assert found == "left:10.00%;top:10.00%;width:50.00%;height:85.00%"
    assert inner == "left:25.00%;top:25.00%;width:50.00%;height:65.00%"
    assert beyond == "left:0.00%;top:0.00%;width:100.00%;height:100.00%"


@pytest.mark.parametrize("height, width, shown", [(336, 448, (224, 299)), (40, 60, (40, 60)), (448, 100, (224, 50))])
def test_pictures_are_those_of_the_sample(tmp_path, height, width, shown):
    one = sample(height=height, width=width)
    page = saved(tmp_path, samples=[one])
    photo = decoded(page.find("img", "photo")[0]["src"], "image/jpeg")
    assert photo.shape == (*shown, 3)
    expected = cv2.resize(one.photo, shown[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(photo - expected).mean() < 4
    heat = decoded(page.find("img", "heat")[0]["src"], "image/png")
    assert max(heat.shape) == 32
    small = cv2.resize(one.map, heat.shape[1::-1], interpolation=cv2.INTER_AREA).clip(0)
    jet = 255 * mpl.colormaps["jet"](small / small.max())[..., :3]
    assert np.abs(heat - jet).mean() < 5
    assert float(page.find("div", "frame")[0]["style"].partition(":")[2]) == pytest.approx(width / height, abs=1e-4)


def test_what_is_not_given_has_no_part(tmp_path):
    empty = saved(tmp_path)
    assert not empty.find("section") + empty.find("nav") + empty.find("table") + empty.find("svg")
    bare = saved(tmp_path, samples=[sample(truth=NO_TRUTH)], classes=[ClassRow("cat", 5, 40.0)])
    assert [seen["id"] for seen in bare.find("section")] == ["classes", "images"]
    assert [seen["data-box"] for seen in bare.find("input") if "data-box" in seen] == ["found"]
    assert not bare.find("span", "true")
    assert bare.text("button")[:3] == ["Class", "Images", "Top-1"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"curves": {"a": Curve((0.1, 0.2), (5.0,))}}, "got 2 thresholds and 1 values for 'a'"),
        ({"curves": {"a": Curve((), ())}}, "got 0 thresholds"),
        ({"curves": {"a": Curve((0.2, 0.1), (5.0, 5.0))}}, "give them ascending"),
        ({"curves": {"a": Curve((0.1, 0.2), (5.0, float("nan")))}}, "out of .* or NaN"),
        ({"classes": [ClassRow("cat", 5, float("nan"))]}, "classes: got nan for 'cat'"),
        ({"samples": [sample(map=np.full((40, 60), np.nan, np.float32))]}, "maps: got NaN"),
        ({"samples": [sample(box=np.full(4, np.nan, np.float32))]}, "samples: got a box"),
    ],
)
def test_a_page_is_there_whole_or_not_at_all(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        saved(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_96_photos_stay_under_three_megabytes(tmp_path):
    # Shapes under noise: heavier than most photos.
    noise = np.random.default_rng(0).normal(0, 9, (448, 597, 3))
    busy = (cv2.resize(noise[:60, :80] * 6, (597, 448)) + 128 + noise).clip(0, 255).astype(np.uint8)
    photo = sample(height=448, width=597, photo=busy)
    one, three = (len(saved(tmp_path, samples=[photo] * count).source) for count in (1, 3))
    assert one + 95 * (three - one) / 2 < 3e6
