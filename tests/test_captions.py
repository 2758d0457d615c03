"""Captions in the layouts of COCO and SBU, and the photos that a phrase speaks of."""

import json
from pathlib import Path

import pytest

from jaxcam.datasets.captions import CAPTIONS, STOP_WORDS, URLS, Captioned, read_captions, spoken_of

SAID = {"a.jpg": ["A mirror in the lake", "Trees"], "b.jpg": ["Boats"], "c.jpg": ["A LAKE, like a Mirror!"]}
EXPECTED = tuple(Captioned(Path("photos", name), tuple(captions)) for name, captions in SAID.items())
PAIRS = [(name, caption) for name, captions in SAID.items() for caption in captions]


def address(name):
    return f"http://static.flickr.com/27/{name}?size=m"


def coco():
    images = [{"id": number, "file_name": name, "height": 4} for number, name in enumerate(SAID)]
    numbers = {image["file_name"]: image["id"] for image in images}
    notes = [{"image_id": numbers[name], "id": 900, "caption": caption} for name, caption in PAIRS]
    return {"info": {}, "images": [*images, {"id": 77, "file_name": "silent.jpg"}], "annotations": notes}


FORMS = {
    "coco": coco(),
    "file names": [{"file": name, "caption": caption} for name, caption in PAIRS],
    "addresses": [{"url": address(name), "caption": caption} for name, caption in PAIRS],
    "sbu": {
        "image_urls": [address(name) for name, _ in PAIRS],
        "user_ids": ["x"] * len(PAIRS),
        "captions": [caption for _, caption in PAIRS],
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_json_form_says_the_same(form, tmp_path):
    (tmp_path / "captions.json").write_text(json.dumps(FORMS[form]))
    assert read_captions(tmp_path / "captions.json", "photos") == EXPECTED


@pytest.mark.parametrize("given", [".", URLS, CAPTIONS])
def test_text_files_go_side_by_side(given, tmp_path):
    """A blank line counts in both; so does one with a character that other readers take for the end of a line."""
    (tmp_path / URLS).write_text("".join(f"{address(name)}\n" for name, _ in [*PAIRS, ("d.jpg", ""), ("e.jpg", "")]))
    (tmp_path / CAPTIONS).write_text("".join(f"{caption}\n" for _, caption in PAIRS) + "\nOne\u2028line\n")
    more = (Captioned(Path("photos/d.jpg"), ("",)), Captioned(Path("photos/e.jpg"), ("One\u2028line",)))
    assert read_captions(tmp_path / given, "photos") == (*EXPECTED, *more)


@pytest.mark.parametrize(
    "contents, message",
    [
        ("{", "no JSON"),
        ("[]", "got no caption"),
        ('{"images": {}}', "got keys images; give COCO's"),
        ("3", "got int; give COCO's"),
        ('{"images": {}, "annotations": []}', "images: got dict; expected a list"),
        ('{"images": [{"id": 1}], "annotations": []}', "image 0: got no text under 'file_name'"),
        ('{"images": [], "annotations": [{"image_id": 1, "caption": ""}]}', "got image_id 1, which no image has"),
        ('{"images": [], "annotations": [{"caption": ""}]}', "annotation 0: got no 'image_id'"),
        ('{"image_urls": ["http://a.org/b.jpg"], "captions": []}', "got 1 image_urls and 0 captions"),
        ('[{"file": "a.jpg"}]', "entry 0: got no text under 'caption'"),
        ('[{"url": "http://a.org/", "caption": ""}]', "ends in a file name"),
        ('[{"file": "../a.jpg", "caption": ""}]', "within the folder of the photos"),
        ('[{"file": "/a.jpg", "caption": ""}]', "within the folder of the photos"),
        (b"\xff", "not a text file in UTF-8"),
    ],
)
def test_mistakes_in_a_file(contents, message, tmp_path):
    path = tmp_path / "captions.json"
    path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    with pytest.raises(ValueError, match=message):
        read_captions(path, "photos")


def test_mistakes_of_text_files(tmp_path):
    with pytest.raises(ValueError, match="no such file; give a JSON file"):
        read_captions(tmp_path, "photos")
    (tmp_path / URLS).write_text("http://a.org/b.jpg\n")
    (tmp_path / CAPTIONS).write_text("A\nB\n")
    with pytest.raises(ValueError, match=f"got 1 lines in {URLS} and 2"):
        read_captions(tmp_path, "photos")


@pytest.mark.parametrize(
    "phrase, photos, others",
    [
        ("mirror in lake", "ac", "bdf"),  # e has each in a caption of its own, d "mirrors" and "lakeside"
        ("LAKE", "ace", "bdf"),
        ("the boats", "bd", "acef"),
        ("lakeside-mirrors", "d", "abcef"),
        ("stra\u00dfe", "f", "abcde"),
    ],
)
def test_photos_that_a_phrase_speaks_of(phrase, photos, others):
    further = {
        "d.jpg": ["Boats and mirrors on the lakeside"],
        "e.jpg": ["Trees by a lake", "A mirror"],
        "f.jpg": ["Cars in the STRASSE"],
    }
    captioned = [Captioned(Path(name), tuple(captions)) for name, captions in {**SAID, **further}.items()]
    found = spoken_of(captioned, phrase)
    assert "".join(path.stem for path in found.photos) == photos
    assert "".join(path.stem for path in found.others) == others


def test_phrases_without_photos():
    with pytest.raises(ValueError, match=r"got 'In the .*; give at least one word"):
        spoken_of(EXPECTED, "In the - of")
    with pytest.raises(
        ValueError, match=r"no caption of the 3 photos holds \('boats' in those of 1, 'lake' in those of 2\)"
    ):
        spoken_of(EXPECTED, "boats on the lake")
    assert not {"mirror", "lake", "red", "dog"} & STOP_WORDS
