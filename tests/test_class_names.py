"""jaxcam.class_names: the published lists, by facts known from elsewhere."""

import re

import pytest

from jaxcam.card import Card
from jaxcam.class_names import class_names, ilsvrc2012_id
from jaxcam.photo_reports import find_label


def test_ilsvrc_is_sorted_by_wordnet_id():
    names, ids = class_names(1000)
    assert len(names) == len(ids) == len(set(ids)) == 1000
    assert list(ids) == sorted(ids)
    assert all(re.fullmatch(r"n\d{8}", wordnet_id) for wordnet_id in ids)
    assert all(name == name.strip() and name for name in names)


@pytest.mark.parametrize(
    "index, wordnet_id, name",
    [
        (0, "n01440764", "tench, Tinca tinca"),
        (1, "n01443537", "goldfish, Carassius auratus"),
        (65, "n01751748", "sea snake"),
        (134, "n02012849", "crane"),
        (285, "n02124075", "Egyptian cat"),
        (517, "n03126707", "crane"),
        (639, "n03710721", "maillot, tank suit"),
        (999, "n15075141", "toilet tissue, toilet paper, bathroom tissue"),
    ],
)
def test_known_classes(index, wordnet_id, name):
    names, ids = class_names(1000)
    assert (ids[index], names[index]) == (wordnet_id, name)


def test_development_kit_has_its_own_order():
    _, ids = class_names(1000)
    assert sorted(map(ilsvrc2012_id, ids)) == list(range(1, 1001))
    known = {"n02119789": 1, "n02100735": 2, "n02110185": 3, "n07831146": 999, "n03255030": 1000}
    assert {wordnet_id: ilsvrc2012_id(wordnet_id) for wordnet_id in known} == known


def test_development_kits_ground_truth():
    """The first of the 50,000 validation images: their classes, and the numbers in the kit's ground truth."""
    classes = ["n01751748", "n09193705", "n02105855", "n04263257", "n03125729", "n01735189", "n02346627", "n02776631"]
    assert [ilsvrc2012_id(wordnet_id) for wordnet_id in classes] == [490, 361, 171, 822, 297, 482, 13, 704]


def test_places():
    names, ids = class_names(205)
    assert len(set(names)) == 205
    assert ids == ()
    known = {0: "abbey", 13: "apartment building/outdoor", 36: "bakery/shop", 170: "sky", 204: "yard"}
    assert {index: names[index] for index in known} == known


def test_other_numbers():
    assert class_names(3) == (("class 0", "class 1", "class 2"), ())


def test_unknown_class():
    with pytest.raises(ValueError, match="wordnet_id: got 'n00000001', none of ILSVRC's 1000"):
        ilsvrc2012_id("n00000001")


def test_names_can_be_looked_up():
    """By a word, by the id, and, where a word names two classes, by an answer that tells them apart."""
    names, ids = class_names(1000)
    card = Card(names, ids)
    assert find_label(card, "egyptian cat") == 285
    assert find_label(card, "n03126707") == 517
    with pytest.raises(ValueError, match=r"'crane' names 2 classes; give an index: 134 \(crane\); 517 \(crane\)"):
        find_label(card, "crane")
    assert find_label(Card(class_names(205)[0]), "apartment_building/outdoor") == 13
