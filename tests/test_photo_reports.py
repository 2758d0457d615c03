"""The files that explained photos become: their names, and what they may replace."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import jaxcam
from jaxcam.photo_reports import explain_photos

CARD = jaxcam.Card(classes=("cat", "dog", "fish"), image_size=(32, 32))


@pytest.fixture(scope="module")
def params():
    return jaxcam.init("resnet10", jax.random.key(3), card=CARD, width=8, stem="small")


@pytest.fixture
def explained(params, monkeypatch, tmp_path):
    """Explain photos, by their names in an empty folder, into `out`; give what the report says of each."""
    monkeypatch.chdir(tmp_path)

    def run(*names, top=1, **options):
        explain_photos(params, [Path(name) for name in names], Path("out"), top=top, **options)
        return json.loads(Path("out", "explanations.json").read_text())["photos"]

    return run


def write(path):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), 120, np.uint8)).save(path)
    return path


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.mark.slow
def test_photos_with_one_stem_keep_apart(explained):
    names = ("a/cat.png", "b/cat.jpg", "b/Cat.png", "cat-2.png")
    for name in names:
        write(name)
    photos = explained(*names, save_maps=True)
    pictures = [photo["picture"] for photo in photos]
    assert pictures == ["cat.png", "cat-2.png", "Cat-3.png", "cat-2-2.png"]
    assert files("out") == sorted([*pictures, *(photo["maps"] for photo in photos), "explanations.json"])


def test_a_photo_is_never_replaced(explained):
    """Nor where it is a picture that an earlier call made."""
    photo = write("out/cat.png")
    before = photo.read_bytes()
    for name, picture in (("cat", "cat-2"), ("cat-2", "cat-2-2")):
        assert explained(f"out/{name}.png")[0]["picture"] == f"{picture}.png"
    assert photo.read_bytes() == before
    assert files("out") == ["cat-2-2.png", "cat-2.png", "cat.png", "explanations.json"]


@pytest.mark.core
@pytest.mark.parametrize("content", ["picture", "text", "folder", "link to nothing"])
def test_files_of_others_are_never_replaced(explained, content):
    write("cat.jpg")
    taken = Path("out", "cat.png")
    taken.parent.mkdir()
    match content:
        case "picture":
            write(taken)
        case "text":
            taken.write_text("a drawing")
        case "folder":
            taken.mkdir()
        case _:
            taken.symlink_to("nowhere.png")
    before = taken.read_bytes() if taken.is_file() else None
    for _ in range(2):
        assert explained("cat.jpg")[0]["picture"] == "cat-2.png"
    assert before == (taken.read_bytes() if taken.is_file() else None)
    assert taken.is_symlink() or taken.exists()
    assert files("out") == ["cat-2.png", "cat.png", "explanations.json"]


def test_an_array_of_others_is_never_replaced(explained):
    """Nor beside a picture that is ours."""
    write("cat.jpg")
    explained("cat.jpg")
    array = Path("out", "cat.npy")
    np.save(array, np.arange(3))
    before = array.read_bytes()
    for _ in range(2):
        assert explained("cat.jpg", save_maps=True)[0]["maps"] == "cat-2.npy"
    assert array.read_bytes() == before
    assert files("out") == ["cat-2.npy", "cat-2.png", "cat.npy", "cat.png", "explanations.json"]


@pytest.mark.slow
def test_a_second_run_replaces_the_first(explained):
    """After one without maps and one on another photo, too; and for a namesake from another folder."""
    for name in ("cat.png", "dog.png", "b/cat.png"):
        write(name)
    assert len(explained("cat.png", top=2, save_maps=True)[0]["classes"]) == 2
    assert len(explained("cat.png")[0]["classes"]) == 1
    explained("dog.png")
    assert explained("b/cat.png", save_maps=True)[0]["picture"] == "cat.png"
    assert np.load("out/cat.npy").shape[0] == 1
    assert files("out") == ["cat.npy", "cat.png", "dog.png", "explanations.json"]


@pytest.mark.parametrize(
    "stem", ["a" * 240, "猫" * 80, "a" + "猫" * 80, "a" * 251], ids=["letters", "wide", "odd", "longest"]
)
def test_long_names_are_cut(explained, stem):
    """At letters, and told apart; a photo after them is done too."""
    names = [f"{folder}/{stem}.jpg" for folder in "ab"]
    try:
        for name in (*names, "cat.jpg"):
            write(name)
    except OSError:
        pytest.skip("this file system has shorter names")
    photos = explained(*names, "cat.jpg", "b" * 300 + ".jpg", save_maps=True)
    pictures = [photo["picture"] for photo in photos]
    start = pictures[0].removesuffix(".png")
    assert stem.startswith(start)
    assert 230 < len(start.encode()) <= 235
    assert pictures == [f"{start}.png", f"{start}-2.png", "cat.png"]
    assert files("out") == sorted([*pictures, *(photo["maps"] for photo in photos), "explanations.json"])
