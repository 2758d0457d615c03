"""Concepts from weakly labelled photos: hard negatives, ranking, maps, the photos used, and the command."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcam.applications import keeping, pooled_features
from jaxcam.applications.concept_mining import (
    ConceptPhotos,
    find_concept,
    learn_concept,
    photos_of_folders,
    with_gallery,
)
from jaxcam.applications.concept_report import save_concept
from jaxcam.applications.detector import evidence, load_detector
from jaxcam.cli import main
from jaxcam.datasets import Dataset, Example
from jaxcam.image_files import read_image
from tests.colour_network import colour_params
from tests.made_concept import BLUE, RED, drawn, make_captions, make_concept
from tests.made_data import COLOURS

BLUES_AT_FIRST = 4  # a seed that draws no photo with green among the first negatives


@pytest.fixture(scope="module")
def params():
    return colour_params()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_concept(tmp_path_factory.mktemp("concept"))


@pytest.fixture(scope="module")
def captions(home):
    return make_captions(home)


@pytest.fixture(scope="module")
def photos(home):
    return with_gallery(photos_of_folders(home / "red", home / "negatives"), home / "others", relevant=home / "shown")


@pytest.fixture(scope="module")
def found(params, photos):
    return find_concept(params, photos, seed=BLUES_AT_FIRST, batch_size=8, progress=False)


def test_mining_puts_right_what_random_negatives_leave_wrong(found, photos):
    """Red with green scores above red with blue, until mining finds the three of the negatives."""
    assert found.photos == photos
    first, last = found.average_precisions[0], found.average_precisions[-1]
    assert first < 80
    assert last == 100
    stems = [photos.pool[row].stem for row in found.rounds[1].negatives]
    assert found.rounds[0].false_positives == 3
    assert not {"03", "11", "17"} & set(stems[:8])
    assert set(stems[8:]) == {"03", "11", "17"}
    assert {photos.gallery[place].parent.name for place in found.ranked[:8]} == {"shown"}
    assert (found.rounds[-1].true_positives, found.rounds[-1].false_positives) == (8, 0)


def test_map_lights_up_the_concept_and_adds_up_to_the_score(found, params, photos):
    """mean(map) + bias = w . f / |f| + bias, the decision function, of features divided by their length."""
    paths = [path for path in photos.gallery if path.parent.name == "shown"]
    images = np.stack([read_image(path) for path in paths])
    detector = found.rounds[-1].detector
    cells = np.asarray(evidence(params, images, detector, size="cells").maps)
    pooled = pooled_features(params, Dataset(tuple(Example(path, 0) for path in paths), ("red",)), batch_size=8)
    scores = pooled @ detector.kernel / np.linalg.norm(pooled, axis=1) + detector.bias
    np.testing.assert_allclose(cells.mean((1, 2)) + detector.bias, scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.scores[[photos.gallery.index(path) for path in paths]], scores, rtol=1e-5)
    for number, each in enumerate(cells):
        x, y = drawn((RED, BLUE) if number % 2 else (RED,), 100 + number)[1]
        inside = np.zeros((32, 32), bool)
        inside[y : y + 12, x : x + 12] = True
        heat = np.kron(each, np.ones((4, 4)))
        assert inside[heat > 0.5 * heat.max()].all()


@pytest.mark.parametrize("add", [2, 40])
def test_rounds_are_those_of_a_plain_loop(add):
    """Beside scikit-learn on features of unit length, with false positives found one by one."""
    from sklearn.svm import LinearSVC

    random = np.random.default_rng(4)
    positives, pool = random.normal(size=(9, 6)) + 0.5, random.normal(size=(60, 6)) * 2
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (positives, pool)]
    found = learn_concept(positives, pool, rounds=3, add=add, seed=2)
    assert len(found[0].negatives) == 9
    for number, each in enumerate(found):
        plain = LinearSVC(C=each.detector.penalty, dual=False)
        plain.fit(np.concatenate([unit[0], unit[1][each.negatives]]), [1] * 9 + [0] * len(each.negatives))
        scores = plain.decision_function(unit[1])
        wrong = [row for row in range(60) if scores[row] > 0 and row not in each.negatives]
        assert each.false_positives == len(wrong)
        assert each.true_positives == (plain.decision_function(unit[0]) > 0).sum()
        if number + 1 < len(found):
            hardest = sorted(wrong, key=lambda row: -scores[row])[:add]
            assert found[number + 1].negatives.tolist() == each.negatives.tolist() + hardest
    assert len(found) == 4 or found[-1].false_positives == 0
    assert len(learn_concept(positives, pool, rounds=0, seed=2)) == 1
    assert learn_concept(positives, pool, rounds=0, seed=3)[0].negatives.tolist() != found[0].negatives.tolist()


def test_photos_that_cannot_be_read_are_left_out(home, params, photos, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes((home / "red/0.png").read_bytes()[:200])
    given = ConceptPhotos("red", (broken, *photos.positives), photos.pool, (*photos.gallery, broken))
    found = find_concept(params, given, rounds=0, batch_size=8, progress=False)
    assert (found.photos.positives, found.photos.gallery) == (photos.positives, photos.gallery)
    assert len(found.unreadable) == 2
    assert "broken.png: cannot be read" in found.unreadable[0]
    assert found.average_precisions == ()
    with pytest.raises(ValueError, match="got 0 and 24 photos that can be read"):
        find_concept(params, ConceptPhotos("red", (broken,) * 8, photos.pool), batch_size=2, progress=False)
    with pytest.raises(ValueError, match="none of the photos to rank"):
        find_concept(params, ConceptPhotos("red", photos.positives, photos.pool, (broken,)), batch_size=8)
    with pytest.raises(ValueError, match=r"none of the 2 can be read; the first one: .*broken"):
        find_concept(params, ConceptPhotos("red", (broken,), (broken,)), batch_size=8, progress=False)


def test_kept_features_are_not_made_again(params, photos, found, tmp_path, monkeypatch):
    how = {"seed": BLUES_AT_FIRST, "batch_size": 8, "keep": tmp_path, "progress": False}
    find_concept(params, photos, **how)
    monkeypatch.setattr(keeping, "feature_rows", lambda *_, **__: pytest.fail("they are there"))
    np.testing.assert_array_equal(find_concept(params, photos, **how).scores, found.scores)


@pytest.fixture
def command(params, monkeypatch):
    """Runs `jaxcam concept` with the network that knows colours."""
    monkeypatch.setattr("jaxcam.checkpoints.load", lambda name: params)
    return lambda *arguments: main(["concept", "--batch-size", "8", *map(str, arguments)])


def test_command_with_folders(command, home, params, found, tmp_path, capsys):
    parts = ("--positives", home / "red", "--negatives", home / "negatives")
    ranked = ("--gallery", home / "others", "--relevant", home / "shown")
    how = ("--rounds", 2, "--seed", BLUES_AT_FIRST, "--top", 8, "--out", tmp_path)
    assert command(*parts, *ranked, *how) == 0
    told = json.loads((tmp_path / "concept.json").read_text())
    assert told["photos"] == {"positives": 8, "pool": 24, "ranked": 24, "relevant": 8}
    assert [each["average_precision"] for each in told["rounds"]] == list(found.average_precisions)
    assert {path[-6:] for path in told["rounds"][1]["added"]} == {"03.png", "11.png", "17.png"}
    lines = [json.loads(line) for line in (tmp_path / "ranking.jsonl").read_text().splitlines()]
    np.testing.assert_allclose([line["score"] for line in lines], found.scores[found.ranked], rtol=1e-6)
    assert [line["relevant"] for line in lines] == [True] * 8 + [False] * 16
    for line, shown in zip(lines, told["top"], strict=False):
        heat = np.asarray(Image.open(tmp_path / shown["heatmap"]).convert("RGB")).astype(int)
        photo = read_image(line["path"]).astype(int)
        warm = heat[..., 0] - 0.6 * photo[..., 0] > 60
        assert shown == {**line, "heatmap": shown["heatmap"]}
        assert (photo[warm] == COLOURS[RED]).all(axis=1).mean() > 0.6
    detector = load_detector(tmp_path / "concept_detector.json", checkpoint="tiny_imagenet")
    np.testing.assert_array_equal(detector.kernel, found.rounds[-1].detector.kernel)
    assert detector.name == "red"
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "concept.png",
        *(f"heatmap_{number:02}.png" for number in range(1, 9)),
    ]
    assert not list(tmp_path.glob(".features*"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "red: 8 positives, 24 negatives to mine in, 24 photos ranked, 8 show it"
    assert lines[-3].split() == ["1", "11", "8", "0", "100.00"]


def test_fewer_pictures_replace_more(params, found, tmp_path):
    """Only those that the earlier result lists are removed."""
    (tmp_path / "heatmap_99.png").touch()
    for top in (3, 1):
        save_concept(params, found, tmp_path, checkpoint="tiny_imagenet", options={}, top=top)
    left = sorted(path.name for path in tmp_path.glob("*.png"))
    assert left == ["concept.png", "heatmap_01.png", "heatmap_99.png"]


def test_command_with_captions(command, home, captions, tmp_path, capsys):
    """Without a gallery, those photos are ranked that the concept is learned from."""
    parts = ("--captions", captions, "--photos", home, "--phrase", "Mirror in lake", "--top", 8)
    assert command(*parts, "--rounds", 1, "--seed", BLUES_AT_FIRST, "--out", tmp_path) == 0
    told = json.loads((tmp_path / "concept.json").read_text())
    assert told["photos"] == {"positives": 8, "pool": 24, "ranked": 32}
    assert told["left_out"] == {"positives that are missing": 1, "negatives that are missing": 1}
    assert {line["path"] for line in told["top"]} == set(told["positives"])
    assert "average_precision" not in told["rounds"][0]
    assert "left out: positives that are missing (1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--positives HOME/red", "photos: got --positives; give either --positives DIR --negatives DIR, or --captions"),
        ("", "photos: got none of them"),
        ("--positives HOME/red --negatives HOME/red --phrase lake", "got --positives --negatives --phrase"),
        ("--positives HOME/none --negatives HOME/red", "none: no such folder"),
        ("--positives HOME/red --negatives HOME/empty", "empty: got no image in this folder"),
        ("--positives HOME/red --negatives HOME/red", "8 photos are in both"),
        ("--positives HOME/red --negatives HOME/one", "got 8 and 1 photos that can be read; give at least 2 of each"),
        ("FOLDERS --rounds -1", "rounds, add, seed: got -1, 1, 0"),
        ("FOLDERS --add 0", "rounds, add, seed: got 3, 0, 0"),
        ("FOLDERS --start 25", "start: got 25 of 24 negatives"),
        ("FOLDERS --pool 25", "pool: got 25 to draw from 24 negatives"),
        ("FOLDERS --pool 5 --seed -1", "seed: got -1"),
        ("FOLDERS --top 0", "--top: got 0"),
        ("FOLDERS --relevant HOME/shown", "--relevant: it needs --gallery"),
        ("--captions CAPTIONS --photos HOME/none --phrase lake", "none: no such folder; give the one of the photos"),
        ("--captions CAPTIONS --photos HOME --phrase castle", "'castle' in those of 0"),
    ],
)
def test_mistakes(arguments, message, command, home, captions, tmp_path, capsys):
    (home / "empty").mkdir(exist_ok=True)
    (home / "one").mkdir(exist_ok=True)
    shutil.copy(home / "others/blue/0.png", home / "one/0.png")
    arguments = arguments.replace("FOLDERS", "--positives HOME/red --negatives HOME/negatives")
    arguments = arguments.replace("HOME", str(home)).replace("CAPTIONS", str(captions))
    assert command(*arguments.split(), "--out", tmp_path) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert message in line
