"""Street View Text: boxes, what lies outside of a photo, and XML that is broken or means harm."""

import re

import pytest
from PIL import Image

from jaxcam.datasets.svt import svt
from tests.made_text import entry


@pytest.fixture
def write(tmp_path):
    """Write a list of entries beside two photos of 64x48 pixels."""
    for name in ("a.png", "b.png"):
        (tmp_path / "img").mkdir(exist_ok=True)
        Image.new("RGB", (64, 48)).save(tmp_path / "img" / name)

    def written(*entries, encoding="utf-8", head=""):
        path = tmp_path / "train.xml"
        text = f'<?xml version="1.0" encoding="{encoding}"?>{head}<tagset>{"".join(entries)}</tagset>'
        path.write_bytes(text.encode(encoding))
        return path

    return written


SOUND = entry("img/a.png", [(5, 30, 25, 40), (0, 0, 64, 48)], (48, 64))


def test_boxes_are_half_open(write, tmp_path):
    dataset = svt(write(SOUND, entry("img/b.png", [], (48, 64))))
    assert [(example.path, example.boxes) for example in dataset] == [
        (tmp_path / "img/a.png", ((5, 30, 25, 40), (0, 0, 64, 48))),
        (tmp_path / "img/b.png", ()),
    ]
    assert (dataset.classes, dataset.split, dataset.skipped) == (("text",), "train", ())


def test_boxes_are_cut_to_the_photo(write):
    """And those without a pixel in it are left out; each is told of."""
    boxes = [(-4, 40, 6, 60), (64, 0, 70, 9), (8, 8, 8, 9), (1, 2, 3, 4)]
    dataset = svt(write(entry("img/a.png", boxes, (48, 64))))
    assert dataset[0].boxes == ((0, 40, 6, 48), (1, 2, 3, 4))
    told = [re.sub(".*, word", "word", line) for line in dataset.skipped]
    assert told == [
        "word 1: box -4 40 6 60 of 64 x 48 pixels cut to the photo",
        "word 2: box 64 0 70 9 of 64 x 48 pixels left out",
        "word 3: box 8 8 8 9 of 64 x 48 pixels left out",
    ]


@pytest.mark.parametrize(
    "wrong, message",
    [
        (entry("img/c.png", [], (48, 64)), "c.png: no such file, but train.xml names it"),
        (entry("img/b.png", [], (64, 48)), "has 64 x 48 pixels, but train.xml says 48 x 64"),
        (entry("../b.png", [], (48, 64)), "expected a path below the file's own folder"),
        (entry("/b.png", [], (48, 64)), "expected a path below the file's own folder"),
        (entry("", [], (48, 64)), "got imageName ''"),
        (
            entry("img/b.png", [], (48, 64)).replace("</tagged", '<taggedRectangle x="1"/></tagged'),
            "word 1: got .*None",
        ),
        (entry("img/b.png", [(0, 0, 9, 9)], (48, 64)).replace('x="0"', 'x="nan"'), "word 1: got .*expected numbers"),
    ],
)
def test_a_wrong_photo_stops_or_is_skipped(write, wrong, message):
    path = write(SOUND, wrong)
    with pytest.raises(ValueError, match=message):
        svt(path)
    dataset = svt(path, on_error="skip")
    assert len(dataset) == 1
    assert re.search(message, *dataset.skipped)


def test_broken_files(write, tmp_path):
    with pytest.raises(ValueError, match=r"'img/a.png' more than once"):
        svt(write(SOUND, SOUND))
    with pytest.raises(ValueError, match="with 0 <image>; expected SVT's"):
        svt(write())
    with pytest.raises(ValueError, match=r"no such file; give train\.xml"):
        svt(tmp_path / "test.xml")
    for broken in (b"", b"<tagset><image>", b"\x89PNG\r\n", b"<a/><b/>"):
        (tmp_path / "train.xml").write_bytes(broken)
        with pytest.raises(ValueError, match="not readable as XML"):
            svt(tmp_path / "train.xml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_grow(write, encoding):
    """Ten entities of ten of the one before, whatever the encoding hides of the word DOCTYPE; and outside files."""
    grown = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(10))
    bomb = f'<!DOCTYPE tagset [<!ENTITY e0 "aaaaaaaaaa">{grown}]>'
    for head in (bomb, '<!DOCTYPE tagset SYSTEM "file:///etc/hostname">', "<!DOCTYPE tagset>"):
        with pytest.raises(ValueError, match="declares a document type"):
            svt(write(SOUND.replace("WORD", "&e9;"), encoding=encoding, head=head))
    assert len(svt(write(SOUND, encoding=encoding))) == 1
