"""The command `jaxcam vqa`, from VQA's files to a model, and from a question and a photo to a picture and JSON."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from jaxcam.applications import keeping, question_runs
from jaxcam.applications.question_net import AnswerModel, load_model, save_model
from jaxcam.checkpoints import checkpoint_hash
from jaxcam.cli import main
from tests.colour_network import colour_params
from tests.made_questions import make_questions

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

RECIPE = "--min-word-count 2 --width 8 --epochs 40 --batch-size 16 --learning-rate 0.03 --held-out 0.2"
OPTIONS = RECIPE.split()


def given(files, prefix=""):
    names = (f"--{prefix}questions", f"--{prefix}annotations", f"--{prefix}images")
    return [text for name, file in zip(names, files, strict=True) for text in (name, str(file))]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_questions(tmp_path_factory.mktemp("made"))


@pytest.fixture
def colours(monkeypatch):
    """Whatever checkpoint is named, its network is the one that knows colours."""
    monkeypatch.setattr(question_runs, "load", lambda name: colour_params())


@pytest.fixture
def validation(tmp_path):
    (tmp_path / "val").mkdir()
    return make_questions(tmp_path / "val", 12, first=101, seed=1)[0]


@pytest.mark.slow
def test_from_files_to_an_answer(made, validation, colours, tmp_path, monkeypatch, capsys):
    (files, _), folder = made, tmp_path / "model"
    arguments = ["vqa", "train", *given(files), *given(validation, "val-"), *OPTIONS, "--out", str(folder)]
    assert main(arguments) == 0
    told = capsys.readouterr().out.splitlines()
    figures = next(line.split() for line in told if line.startswith("validation: overall"))
    assert figures == ["validation:", "overall", "24", "100.00", "100.00..100.00"]
    kept = json.loads((folder / "training.json").read_text())
    assert kept == load_model(folder).record
    assert (kept["checkpoint"], kept["checkpoint_sha256"]) == ("tiny_imagenet", checkpoint_hash("tiny_imagenet"))
    assert kept["files"]["training"]["questions_sha256"] == hashlib.sha256(files[0].read_bytes()).hexdigest()
    assert kept["figures"]["validation"]["always the most frequent answer"]["n"] == 24
    assert len(list((folder / "features").iterdir())) == 2

    # A second training, of another seed, reads the features that are there.
    monkeypatch.setattr(keeping, "feature_rows", lambda *_, **__: pytest.fail("they are there"))
    assert main([*arguments, "--seed", "1"]) == 0
    assert load_model(folder).record["recipe"]["seed"] == 1

    photo = files[2] / f"COCO_made_{4:012}.jpg"
    explain = ["vqa", "explain", "--model", str(folder), "--photo", str(photo), "--out", str(tmp_path)]
    assert main([*explain, "--question", "Which colour is the square?", "--top", "2"]) == 0
    told = capsys.readouterr().out
    assert "unknown words, left out: which" in told
    name = f"{photo.stem}.{hashlib.sha256(b'Which colour is the square?').hexdigest()[:8]}.answers"
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert found["picture"] == f"{name}.png"
    best = found["answers"][0]
    assert (best["answer"], len(found["answers"])) == ("green", 2)
    assert set(best["words"]) == {"colour", "is", "the", "square"}
    assert sum(best["words"].values()) + best["photo"] + best["bias"] == pytest.approx(best["score"], rel=1e-4)
    assert found["model_sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    picture = np.asarray(Image.open(tmp_path / found["picture"]))
    assert picture.shape[2] == 3
    assert picture.std() > 10
    assert main([*explain, "--question", "Is there a red square?"]) == 0
    assert len(list(tmp_path.glob(f"{photo.stem}.*.answers.json"))) == 2


def test_mistakes_on_the_command_line(made, validation, colours, tmp_path, capsys):
    files, _ = made
    train = ["vqa", "train", *given(files), "--out", str(tmp_path / "model")]

    def error(*arguments):
        assert main(list(map(str, arguments))) == 2
        text = capsys.readouterr().err.splitlines()[-1]
        assert text.startswith("error: ")
        return text

    assert "--val-images: got some of them; give all three" in error(*train, "--val-questions", validation[0])
    assert "30 photos are in both splits, such as image 1" in error(*train, *OPTIONS, *given(files, "val-"))
    assert "answers: got 1; give at least 2" in error(*train, "--answers", 1)
    assert "got 9, but the training questions have 5 answers" in error(*train, *OPTIONS, "--answers", 9)
    assert not (tmp_path / "model").exists()
    explain = ["vqa", "explain", "--question", "red?", "--photo", files[2] / f"COCO_made_{4:012}.jpg"]
    assert "it has no model.safetensors" in error(*explain, "--model", tmp_path)


def test_a_model_is_for_the_network_it_was_trained_on(made, tmp_path, capsys):
    files, _ = made
    layers = {
        "embedding": {"embedding": np.zeros((1, 1))},
        "answers": {"kernel": np.zeros((2, 2)), "bias": np.zeros(2)},
    }
    record = {"checkpoint": "./moved", "checkpoint_sha256": "0" * 64}
    save_model(AnswerModel({"params": layers}, ("red",), ("no", "yes"), record), tmp_path)
    photo = files[2] / f"COCO_made_{4:012}.jpg"
    explain = ["vqa", "explain", "--question", "red", "--photo", str(photo), "--model", str(tmp_path)]
    assert main(explain) == 2
    assert "--checkpoint says where the network of model" in capsys.readouterr().err
    assert main([*explain, "--checkpoint", "tiny_imagenet"]) == 2
    assert "made with checkpoint ./moved of hash 000000000000, not with tiny_imagenet" in capsys.readouterr().err


@pytest.mark.slow
def test_questions_about_missing_photos_are_counted(colours, tmp_path, capsys):
    files, _ = make_questions(tmp_path)
    (files[2] / f"COCO_made_{7:012}.jpg").unlink()
    train = ["vqa", "train", *given(files), *OPTIONS, "--answers", "4", "--out", str(tmp_path / "model")]
    assert main(train) == 2
    assert "--on-error skip leaves out their questions" in capsys.readouterr().err
    assert main([*train, "--on-error", "skip"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("58 questions about 29 photos\n")
    assert "left out of the training: 2 questions about 1 missing or damaged photos" in told
    counts = json.loads((tmp_path / "model/training.json").read_text())["counts"]
    share = counts["unknown_answer"] / (counts["questions"] - counts["held_out"])
    assert f"  {share:.1%} of the questions to train on" in told
    assert share > 0.1


def test_questions_about_photos_with_damaged_pixels_are_counted(colours, tmp_path, capsys):
    """Whose header is sound; also where the features were kept by a command that skipped them."""
    files, _ = make_questions(tmp_path, 6)
    broken = files[2] / f"COCO_made_{3:012}.jpg"
    broken.write_bytes(broken.read_bytes()[:-400])
    train = ["vqa", "train", *given(files), *OPTIONS, "--epochs", "1", "--out", str(tmp_path / "model")]
    for _ in range(2):
        assert main(train) == 2
        assert f"error: {broken}: cannot be read" in capsys.readouterr().err
        assert main([*train, "--on-error", "skip"]) == 0
        told = capsys.readouterr().out
        assert told.startswith("10 questions about 5 photos\n")
        assert "left out of the training: 2 questions about 1 missing or damaged photos" in told


def test_questions_about_photos_that_are_readable_again_are_counted(colours, tmp_path, monkeypatch, capsys):
    """Their features were kept while they were not, and the files have not changed since."""
    files, _ = make_questions(tmp_path, 6)
    real = question_runs.kept_features

    def blank(*arguments, **options):
        features = real(*arguments, **options)
        features[2] = np.nan
        return features

    monkeypatch.setattr(question_runs, "kept_features", blank)
    train = ["vqa", "train", *given(files), *OPTIONS, "--epochs", "1", "--out", str(tmp_path / "model")]
    assert main([*train, "--on-error", "skip"]) == 0
    assert capsys.readouterr().out.startswith("10 questions about 5 photos\n")
    record = json.loads((tmp_path / "model/training.json").read_text())
    (why,) = record["skipped"]["training"]["photos"]
    assert why == f"{files[2] / f'COCO_made_{3:012}.jpg'}: could not be read when features were made"
    assert main(train) == 2
    assert f"error: {why}" in capsys.readouterr().err


@pytest.mark.slow
def test_a_loss_that_explodes_is_an_error(made, colours, tmp_path, capsys):
    train = ["vqa", "train", *given(made[0]), *OPTIONS, "--learning-rate", "1e38", "--out", str(tmp_path)]
    assert main(train) == 2
    assert "learning_rate: got 1e+38, and a loss of" in capsys.readouterr().err


@pytest.mark.slow
def test_the_bundled_network_sees_colours_too(made, validation, tmp_path, capsys):
    files, _ = made
    options = [*OPTIONS, "--checkpoint", "tiny_imagenet", "--out", str(tmp_path / "model")]
    assert main(["vqa", "train", *given(files), *given(validation, "val-"), *options]) == 0
    figures = json.loads((tmp_path / "model/training.json").read_text())["figures"]["validation"]
    assert figures["overall"]["value"] >= 90
