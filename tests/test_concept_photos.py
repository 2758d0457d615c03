"""The photos that a concept is learned from: of folders or captions, none twice, and a gallery without them."""

import shutil

import pytest

from jaxcam.applications._concept_photos import photos_in, same_photos
from jaxcam.applications.concept_mining import photos_of_folders, photos_of_phrase, with_gallery
from tests.made_concept import make_captions, make_concept


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_concept(tmp_path_factory.mktemp("concept"))


def test_copies_are_found_by_their_bytes(home, tmp_path):
    shutil.copy(home / "red/2.png", tmp_path / "copy.png")
    (tmp_path / "link.png").symlink_to(home / "red/5.png")
    shutil.copy(home / "shown/2.png", tmp_path / "other.png")
    (tmp_path / ".hidden.png").touch()
    assert [path.name for path in photos_in(tmp_path)] == ["copy.png", "link.png", "other.png"]
    same = same_photos(photos_in(tmp_path), photos_in(home / "red"))
    assert same == {tmp_path / "copy.png": home / "red/2.png", tmp_path / "link.png": home / "red/5.png"}
    with pytest.raises(
        ValueError, match=r"2 photos are in both, such as .*copy\.png, which is .*2\.png; leave them out"
    ):
        photos_of_folders(home / "red", tmp_path)


def test_gallery_is_without_what_was_learned_from(home, tmp_path):
    """Copies of positives and negatives are left out; a relevant photo that is in the gallery too counts once."""
    photos = photos_of_folders(home / "red", home / "negatives")
    shutil.copytree(home / "shown", tmp_path / "shown")
    shutil.copy(home / "others/blue/0.png", tmp_path / "new.png")
    shutil.copy(home / "red/0.png", tmp_path / "positive.png")
    shutil.copy(home / "negatives/05.png", tmp_path / "negative.png")
    found = with_gallery(photos, tmp_path, relevant=home / "shown")
    assert found.left_out == {"photos of the gallery that it is learned from": 2}
    assert [path.name for path in found.gallery] == [*(f"{number}.png" for number in range(8)), "new.png"]
    assert found.relevant == (*[True] * 8, False)
    with pytest.raises(ValueError, match=r"without the 8 photos .*, 0 are left"):
        with_gallery(photos, home / "red")
    with pytest.raises(ValueError, match="8 are left and 8 of them show it"):
        with_gallery(photos, home / "shown", relevant=home / "shown")


def test_photos_of_a_phrase(home, tmp_path):
    captions = make_captions(home)
    found = photos_of_phrase(captions, home, "mirror in lake")
    assert found.positives == photos_in(home / "red")
    assert set(found.pool) == set(photos_in(home / "negatives"))
    assert dict(found.left_out) == {
        "positives that are missing": 1,
        "negatives that are missing": 1,
        "negatives that are copies of positives": 0,
    }
    some = [photos_of_phrase(captions, home, "mirror lake", pool=10, seed=seed).pool for seed in (5, 5, 6)]
    assert some[0] == some[1] != some[2]
    assert len(some[2]) == 10
    assert set(some[2]) < set(found.pool)
    shutil.copytree(home / "red", tmp_path / "red")
    shutil.copytree(home / "negatives", tmp_path / "negatives")
    shutil.copy(home / "red/3.png", tmp_path / "negatives/07.png")
    found = photos_of_phrase(captions, tmp_path, "mirror in lake")
    assert found.left_out["negatives that are copies of positives"] == 1
    assert len(found.pool) == 23
    shutil.rmtree(tmp_path / "red")
    with pytest.raises(ValueError, match="none of the 9 photos of 'mirror in lake' is there"):
        photos_of_phrase(captions, tmp_path, "mirror in lake")
