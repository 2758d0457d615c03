"""A detector of one concept: scores, maps and the identity between them, and the file that keeps it."""

import dataclasses
import json
from functools import partial

import numpy as np
import pytest

from jaxcam.applications import pooled, text_detection
from jaxcam.applications.detector import Detector, evidence, fit_detector, load_detector, save_detector
from jaxcam.applications.text_detection import train_text_detector
from jaxcam.applications.text_photos import read_photos
from jaxcam.forward import features
from jaxcam.geometry import resize_matrix
from tests.made_data import photo

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def cells(tiny_params):
    """Features of the images before pooling, in float64."""
    return np.asarray(features(tiny_params, IMAGES), np.float64)


@pytest.fixture(scope="module")
def detector(cells):
    return Detector(RANDOM.normal(size=cells.shape[-1]), -0.3, 10.0, 0.35, "text", (48, 32))


def test_scores_are_the_decision_function_of_scikit_learn():
    from sklearn.svm import LinearSVC

    positives = RANDOM.normal(size=(12, 6)) + 0.4
    negatives = RANDOM.normal(size=(9, 6)) - 0.4
    found = fit_detector(positives, negatives, name="text", threshold=0.5)
    both = np.concatenate([negatives, positives])
    unit = both / np.linalg.norm(both, axis=1, keepdims=True)
    plain = LinearSVC(C=found.penalty, dual=False).fit(unit, [0] * 9 + [1] * 12)
    np.testing.assert_allclose(found.scores(both), plain.decision_function(unit), rtol=1e-6, atol=1e-8)
    assert (found.scores(positives).mean() > found.scores(negatives).mean(), found.name, found.threshold) == (
        True, "text", 0.5,
    )  # fmt: skip


def test_mean_of_the_map_and_bias_are_the_score(tiny_params, cells, detector):
    """mean(M) + b = w . f / |f| + b on cells: the map is divided by the length that the features are divided by."""
    found = evidence(tiny_params, IMAGES, detector, size="cells")
    pooled = cells.mean((1, 2))
    lengths = np.linalg.norm(pooled, axis=1)
    expected = cells @ detector.kernel / lengths[:, None, None]
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-5)
    scores = detector.scores(pooled)
    np.testing.assert_allclose(np.asarray(found.maps).mean((1, 2)) + detector.bias, scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-4, atol=1e-5)
    rows = resize_matrix(cells.shape[1], 32)
    upsampled = evidence(tiny_params, IMAGES, detector)
    np.testing.assert_allclose(upsampled.maps, rows @ expected @ rows.T, rtol=1e-4, atol=1e-5)


def test_no_features_are_no_evidence():
    assert Detector(np.ones(2), -0.5, 1.0).scores(np.zeros((1, 2))).tolist() == [-0.5]


def test_file_holds_every_bit(detector, tmp_path):
    save_detector(detector, tmp_path / "a.json", checkpoint="tiny_imagenet", further={"photos": 7})
    found = load_detector(tmp_path / "a.json", checkpoint="tiny_imagenet")
    np.testing.assert_array_equal(found.kernel, detector.kernel)
    assert found[1:] == detector[1:]
    assert json.loads((tmp_path / "a.json").read_text())["photos"] == 7


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kernel": [1.0, None]}, "damaged detector"),
        ({"kernel": []}, "without weights"),
        ({"image_size": [32.5, 32]}, "damaged detector"),
        ({"bias": float("nan")}, "numbers that are none"),
        ({"threshold": 0}, "threshold: got 0"),
        ({"format": "other"}, "holds no detector"),
        (
            {"checkpoint": "other", "checkpoint_sha256": "0"},
            "made with checkpoint other of hash 0, not with tiny_imagenet",
        ),
    ],
)
def test_damaged_file(detector, tmp_path, change, message):
    path = tmp_path / "a.json"
    save_detector(detector, path, checkpoint="tiny_imagenet")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        load_detector(path, checkpoint="tiny_imagenet")


def test_mistakes(tiny_params, detector, tmp_path):
    some = np.ones((2, 3))
    with pytest.raises(ValueError, match="negatives: got 1; give at least 2"):
        fit_detector(some, some[:1])
    with pytest.raises(ValueError, match="positives: got features with NaN"):
        fit_detector(some * np.nan, some)
    with pytest.raises(ValueError, match="got 3 and 2 features a photo"):
        fit_detector(some, some[:, :2])
    with pytest.raises(ValueError, match="got 3 a photo for a detector of 64"):
        detector.scores(some)
    with pytest.raises(ValueError, match="one of 3 features for a network of 64"):
        evidence(tiny_params, IMAGES, Detector(np.ones(3), 0.0, 1.0))
    with pytest.raises(ValueError, match="no such file"):
        load_detector(tmp_path / "a.json", checkpoint="tiny_imagenet")
    (tmp_path / "a.json").write_bytes(b"\xff[")
    with pytest.raises(ValueError, match="cannot be read as a detector"):
        load_detector(tmp_path / "a.json", checkpoint="tiny_imagenet")


def test_training_for_text_goes_on_from_features_that_are_kept(tiny_params, tmp_path, monkeypatch):
    for place in range(6):
        photo(tmp_path / "np"[place % 2] / f"{place}.png", place % 2, (place, 5, 30, 40))
    photos = read_photos(tmp_path / "p"), read_photos(tmp_path / "n")
    train = partial(train_text_detector, tiny_params, *photos, threshold=0.5, keep=tmp_path / "kept", progress=False)
    first = train()
    monkeypatch.setattr(pooled, "_batches", lambda *_: pytest.fail("they are made again"))
    np.testing.assert_array_equal(train().detector.kernel, first.detector.kernel)


def test_photos_that_were_unreadable_when_features_were_made_are_not_learnt_from(tiny_params, tmp_path, monkeypatch):
    for place in range(8):
        photo(tmp_path / "np"[place % 2] / f"{place}.png", place % 2, (place, 5, 30, 40))
    photos = read_photos(tmp_path / "p"), read_photos(tmp_path / "n")
    real = text_detection.kept_features

    def blank(*arguments, **options):
        features = real(*arguments, **options)
        features[1] = np.nan
        return features

    monkeypatch.setattr(text_detection, "kept_features", blank)
    train = partial(train_text_detector, tiny_params, *photos, threshold=0.5, progress=False)
    found = train(on_error="skip")
    left = [dataclasses.replace(part, examples=(part[0], *part[2:])) for part in photos]
    monkeypatch.setattr(text_detection, "kept_features", real)
    expected = train_text_detector(tiny_params, *left, threshold=0.5, progress=False)
    np.testing.assert_allclose(found.detector.kernel, expected.detector.kernel, rtol=1e-4, atol=1e-6)
    assert found.photos == (3, 3)
    assert [why.partition(": ")[2] for why in found.skipped] == ["could not be read when features were made"] * 2
    monkeypatch.setattr(text_detection, "kept_features", blank)
    with pytest.raises(ValueError, match="could not be read when features were made"):
        train()
