"""Features of whole data sets: their layers, SVMs on them and their maps, the command and the script."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.applications import feature_figures, fit_svm, generic, pooled_features
from jaxcam.applications.feature_figures import measure_features
from jaxcam.applications.feature_files import read_features, write_features
from jaxcam.applications.generic import extract_features, report_features, show_svm
from jaxcam.applications.pooled import feature_rows, layer_width
from jaxcam.applications.pools import Pool, Rule
from jaxcam.checkpoints import load
from jaxcam.cli import main
from jaxcam.datasets import Dataset, Example, folder
from jaxcam.image_files import read_image
from jaxcam.params import Params, make_network
from jaxcam.report.feature_table import feature_table
from tests.colour_network import colour_params
from tests.made_data import photo
from tests.random_network import random_params
from tests.reference.weights import random_variables

SCRIPT = Path(__file__).parents[1] / "scripts/generic_features.py"
BOXES = ((4, 4, 36, 28), (40, 4, 72, 28), (4, 32, 36, 56), (40, 32, 72, 56), (20, 16, 52, 40))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A class folder of 3 x 5 photos, a rectangle of the class's colour on grey in each."""
    home = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(("red", "green", "blue")):
        for number, box in enumerate(BOXES):
            photo(home / name / f"{number}.png", label, box)
    return home


@pytest.fixture(scope="module")
def pool(home):
    return Pool(folder(home), rule=Rule(3, None, 2))


@pytest.fixture(scope="module")
def colours():
    return colour_params()


@pytest.fixture
def stored(colours, pool, tmp_path):
    about = {"dataset": "made", "layer": "average_pool"}
    rows = lambda images: feature_rows(colours, images, batch_size=8, progress=False)  # noqa: E731
    return write_features(tmp_path / "features", pool, 3, rows, about=about)


def test_layers_are_those_of_a_plain_restatement(home):
    """The fully connected layers of a narrow VGG, whose last cells are (1, 1, 16); and their mean."""
    card = jaxcam.Card(classes=("a", "b"), image_size=(32, 32))
    network = make_network("vgg11", 2, channels=2, width=8, grid=(1, 1))
    params = Params(jax.device_put(random_variables(network, card)), network, card)
    images = folder(home)[:4]
    cells = pooled_features(params, images, batch_size=4, progress=False)
    head, found = params.variables["params"]["head"], cells
    for name in ("fc6", "fc7"):
        found = np.maximum(found @ np.asarray(head[name]["kernel"]).reshape(-1, 8) + np.asarray(head[name]["bias"]), 0)
    (rows,) = feature_rows(params, images, layer="fc7", batch_size=4, progress=False)
    np.testing.assert_allclose(rows, found, rtol=1e-4, atol=1e-5)
    assert [layer_width(params, layer) for layer in ("fc7", "average_pool")] == [8, 16]
    with pytest.raises(ValueError, match="does not end in global average pooling"):
        layer_width(params, "gap")


def test_a_network_out_of_order_is_no_unreadable_image(home):
    broken = jaxcam.from_functions(lambda _, images: images[:, ::32, ::32] * np.nan, lambda _, cells: cells[:, 0, 0])
    with pytest.raises(ValueError, match="got features with NaN or infinity; are the network's weights in order"):
        pooled_features(broken, folder(home)[:1], on_error="skip", batch_size=1, progress=False)


def test_layers_that_a_network_has_not(tiny_params):
    assert layer_width(tiny_params, "gap") == layer_width(tiny_params, "average_pool") == 64
    with pytest.raises(ValueError, match="no stage fc7, as alexnet and vgg16 have; use gap"):
        layer_width(tiny_params, "fc7")
    with pytest.raises(ValueError, match="layer: got 'fc6'; use one of gap, average_pool, fc7"):
        layer_width(tiny_params, "fc6")


def test_figures_are_those_of_scikit_learn(tmp_path, pool):
    """Of overlapping clusters, in two splits; a second call trains nothing."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score
    from sklearn.svm import LinearSVC

    random = np.random.default_rng(3)
    examples = tuple(Example(Path(f"/{place}.png"), place % 3) for place in range(90))[:80]
    pool, labels = Pool(Dataset(examples, tuple("abc")), rule=Rule(12, None, 2)), np.arange(80) % 3
    values = (random.normal(size=(3, 6))[labels] + 1.2 * random.normal(size=(80, 6))).astype(np.float32)
    values[7] = np.nan  # could not be read
    stored = write_features(tmp_path, pool, 6, lambda images: iter([values]), about={})
    found, svm = measure_features(stored, tmp_path, progress=False)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    for number in range(2):
        train, test = pool.split(number, usable=np.arange(80) != 7)
        plain = LinearSVC(C=found.splits[number]["penalty"], dual=False).fit(unit[train], labels[train])
        guess = plain.predict(unit[test])
        assert found.values[number] == pytest.approx(100 * accuracy_score(labels[test], guess))
        assert found.class_means[number] == pytest.approx(100 * balanced_accuracy_score(labels[test], guess))
    assert 40 < found.mean < 95
    assert found.spread == pytest.approx(np.std(found.values, ddof=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_figures, "fit_svm", None)
        again, same = measure_features(read_features(tmp_path), tmp_path, progress=False)
    assert again == found
    np.testing.assert_array_equal(same.kernel, svm.kernel)
    more = write_features(tmp_path, replace(pool, rule=Rule(12, None, 3)), 6, lambda images: iter(()), about={})
    assert measure_features(more, tmp_path, progress=False)[0].values[:2] == found.values
    other = write_features(tmp_path, replace(pool, rule=Rule(10, None, 2)), 6, lambda images: iter(()), about={})
    assert measure_features(other, tmp_path, progress=False)[0].splits[0]["train"] == 30
    with np.load(next(tmp_path.glob("svm-*.npz"))) as kept:
        assert set(kept) == set(svm._fields)


def test_attributes_have_average_precisions(tmp_path):
    from sklearn.metrics import average_precision_score

    random, names = np.random.default_rng(5), ("open", "wet", "never")
    values = random.normal(size=(60, 4)).astype(np.float32)
    has = {"open": values[:, 0] + random.normal(size=60) > 0.5, "wet": values[:, 1] > 0, "never": np.zeros(60, bool)}
    attributes = {name: tuple(np.flatnonzero(has[name]).tolist()) for name in names}
    examples = tuple(Example(Path(f"/{place}.png"), place % 2) for place in range(60))
    pool = Pool(Dataset(examples, ("a", "b")), rule=Rule(0.5, splits=1), attributes=attributes)
    stored = write_features(tmp_path, pool, 4, lambda images: iter([values]), about={})
    found, svm = measure_features(stored, tmp_path, progress=False)
    _, test = pool.split(0)
    scores = svm.scores(values[test])
    expected = [average_precision_score(has[name][test], scores[:, row]) for row, name in enumerate(("open", "wet"))]
    assert found.values == (pytest.approx(100 * np.mean(expected)),)
    assert found.splits[0]["attributes_left_out"] == ["never"]
    assert found.spread is None
    assert found.measure == "mean average precision"


def test_maps_of_the_svm_show_the_class(colours, stored, pool, tmp_path):
    """mean(map) / |f| + intercept = decision function; and the box is the rectangle, to which no label pointed."""
    from sklearn.svm import LinearSVC

    figures, svm = measure_features(stored, tmp_path, progress=False)
    assert figures.values == (100.0, 100.0)
    train, test = pool.split(0)
    labels = np.array([example.label for example in pool.dataset])
    unit = stored.values / np.linalg.norm(stored.values, axis=1, keepdims=True)
    plain = LinearSVC(C=svm.penalty, dual=False).fit(unit[train], labels[train])
    photos = np.stack([read_image(example.path) for example in pool.take(test)])
    cells = jaxcam.features(colours, photos)
    maps = jaxcam.cam_from_features(cells, plain.coef_.T, np.tile(np.arange(3), (len(test), 1)))
    scores = np.asarray(maps).mean((2, 3)) / np.linalg.norm(np.asarray(cells).mean((1, 2)), axis=1, keepdims=True)
    np.testing.assert_allclose(scores + plain.intercept_, plain.decision_function(unit[test]), rtol=1e-3, atol=1e-4)
    samples = show_svm(colours, stored, svm, count=6, threshold=0.5)
    assert [sample.guess for sample in samples] == [pool.dataset.classes[label] for label in labels[test]]
    truth = [BOXES[int(Path(pool.dataset[int(place)].path).stem)] for place in test]
    for sample, box in zip(samples, truth, strict=True):
        np.testing.assert_allclose(sample.box, box, atol=5)  # cells are of 10 x 7.5 pixels
        assert (sample.percent, sample.verdict) == ("", "right")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    place = tmp_path_factory.mktemp("checkpoints") / "net"
    jaxcam.save(random_params(jaxcam.Card(("a", "b"), image_size=(32, 32))), place)
    return str(place)


def test_checkpoint_may_have_moved(pool, checkpoint, tmp_path, monkeypatch):
    """However it is called; what is wrong with it is said before an SVM is trained."""
    params, drawn = load(checkpoint), []
    make = lambda name: extract_features(params, pool, tmp_path, checkpoint=name, batch_size=8, progress=False)  # noqa: E731
    monkeypatch.chdir(Path(checkpoint).parent)
    assert make("./net").sha256 == make(checkpoint).sha256
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generic, "show_svm", lambda params, *_, **__: drawn.append(params))
    monkeypatch.setattr(generic, "save_contact_sheet", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(feature_figures, "fit_svm", None)
        with pytest.raises(ValueError, match=r"--checkpoint says where the network of features .* is now"):
            report_features(tmp_path, progress=False)
        with pytest.raises(ValueError, match=r"made with checkpoint \./net of hash .*, not with tiny_imagenet"):
            report_features(tmp_path, checkpoint="tiny_imagenet", progress=False)
    assert report_features(tmp_path, checkpoint=checkpoint, progress=False).about["checkpoint"] == "./net"
    assert len(drawn) == 1


@pytest.mark.slow
def test_command_and_script(home, checkpoint, tmp_path, capsys):
    arguments = ["features", "folder", "--data-dir", str(home), "--checkpoint", checkpoint]
    arguments += ["--train", "3", "--splits", "2", "--batch-size", "8", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "gap of resnet10: 64 features of 15 images"
    assert "3 images of each class to train on, the others to test on; 2 random splits (seeds 0 to 1)" in told[1]
    assert runpy.run_path(str(SCRIPT))["main"]((tmp_path / "out",), pictures=6) == 0
    table, kept = capsys.readouterr().out.splitlines(), json.loads((tmp_path / "out/svm.json").read_text())
    assert table[0].split()[-1] == "folder"
    assert table[1].split() == ["gap", "of", "resnet10", "(net)", *"-" * 8, f"{kept['mean']:.2f}±{kept['spread']:.2f}"]
    assert kept["mean"] == measure_features(read_features(tmp_path / "out"), tmp_path, progress=False)[0].mean > 60
    assert (len(kept["splits"]), kept["features"]["network"]) == (2, "resnet10")
    assert (tmp_path / "out/heatmaps.png").stat().st_size > 10_000
    assert table[2].endswith("svm.json, heatmaps.png")
    assert runpy.run_path(str(SCRIPT))["main"]((tmp_path / "out",), pictures=0) == 0
    assert capsys.readouterr().out.rstrip().endswith("svm.json")
    assert main([*arguments, "--layer", "average_pool"]) == 2
    assert "layer: gap there, average_pool here" in capsys.readouterr().err


def test_command_says_what_it_left_out(home, checkpoint, tmp_path, capsys):
    for place in ("a/1.png", "a/2.png", "b/1.png"):
        photo(tmp_path / "photos" / place, 0, BOXES[0])
    (tmp_path / "photos/b/2.png").write_bytes(b"no photo")
    arguments = ["features", "folder", "--data-dir", str(tmp_path / "photos"), "--checkpoint", checkpoint]
    arguments += ["--batch-size", "8", "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "b/2.png" in capsys.readouterr().err
    assert main([*arguments, "--on-error", "skip"]) == 0
    assert "could not be read, and have no features: 1" in capsys.readouterr().err
    assert read_features(tmp_path / "out").readable.tolist() == [True, True, True, False]
    with pytest.raises(ValueError, match="neither lists nor a rule; give --train"):
        report_features(tmp_path / "out")


def test_two_classes_and_few_images_are_errors(tmp_path):
    with pytest.raises(ValueError, match="got 1 classes with images"):
        fit_svm(np.eye(3), np.zeros(3, int))
    with pytest.raises(ValueError, match=r"features.json: no such file; give a folder that"):
        read_features(tmp_path)


def test_table_has_the_columns_of_the_paper():
    from jaxcam.applications.benchmarks import BENCHMARKS

    headings = {name: benchmark.title for name, benchmark in BENCHMARKS.items()}
    measured = [
        ("gap of a", "event8", (90.0, 1.5)),
        ("gap of a", "mine", (8.0, None)),
        ("fc7 of b", "mine", (7.5, 0.1)),
        ("gap of a", "mine", (9.0, None)),
    ]
    lines = feature_table(headings, measured).splitlines()
    assert lines[0].split()[-3:] == ["Action40", "Event8", "mine"]
    assert lines[1].split()[3:] == [*"-" * 7, "90.00±1.50", "8.00"]
    assert lines[2].split()[3:] == [*"-" * 8, "7.50±0.10"]
    assert lines[3].split() == ["gap", "of", "a", "2", *"-" * 8, "9.00"]
    assert len({len(line) for line in lines}) == 1
