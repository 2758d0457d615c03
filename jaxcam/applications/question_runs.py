"""What `jaxcam vqa` does: a model from VQA's files, and a question about a photo answered on disk."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxcam.applications._same_checkpoint import same_checkpoint
from jaxcam.applications.keeping import kept_features, unread_photos
from jaxcam.applications.question_answering import Answering, answer_question
from jaxcam.applications.question_figures import answer_figures
from jaxcam.applications.question_files import Questions, read_questions
from jaxcam.applications.question_net import FILE, load_model, save_model
from jaxcam.applications.question_sheet import save_answering
from jaxcam.applications.question_training import AnswerRecipe, choose_words, train_answers
from jaxcam.checkpoints import checkpoint_hash, load
from jaxcam.evaluation.origin import origin
from jaxcam.image_files import read_image
from jaxcam.params import Params
from jaxcam.photo_reports import MAX_SIDE
from jaxcam.whole_files import whole_file

REPORT = "training.json"

VqaFiles = tuple[Path, Path, Path]  # questions, annotations, and the folder of the photos


def train_on_files(
    files: VqaFiles,
    out: Path,
    recipe: AnswerRecipe,
    *,
    validation: VqaFiles | None = None,
    checkpoint: str = "tiny_imagenet",
    on_error: str = "stop",
    progress: bool = True,
) -> str:
    """Train a model on a split of VQA, measure it on another, and write it with all that is known of it.

    Args:
        files: questions, annotations and photos to train on, see `read_questions`.
        out: folder for `model.safetensors`, `training.json` and the features of the photos, in `features`.
        recipe: how to train.
        validation: the files of another split, which is looked at once, at the end.
        checkpoint: of the network whose features are used.
        on_error: as for `read_questions`, and so too at photos whose pixels turn out to be damaged.
        progress: show it on stderr.

    Returns:
        What there is to say of it: counts, and VQA accuracies with their intervals.

    Raises:
        ValueError: as `read_questions` and `train_answers`, before the pass over the photos where it can be known; or
            for photos that are in both splits.
    """
    params = load(checkpoint)
    parts = {"training": read_questions(*files, on_error=on_error, progress=progress)}
    choose_words(parts["training"].rows(), parts["training"].asked, recipe)
    if validation is not None:
        parts["validation"] = read_questions(*validation, on_error=on_error, progress=progress)
        _check_apart(**parts)
    how: dict[str, Any] = {"progress": progress, "keep": out / "features", "on_error": on_error}
    features = {}
    for name, part in parts.items():
        features[name], parts[name] = _features(params, part, **how)
    given = parts["training"]
    model = train_answers(features["training"], given.rows(), given.asked, recipe, progress=progress)
    figures = {"held_out": model.record.pop("figures")}
    if validation is not None:
        seen = parts["validation"]
        figures["validation"] = answer_figures(model, features["validation"], seen.rows(), seen.asked)
    told = {"checkpoint": checkpoint, "checkpoint_sha256": checkpoint_hash(checkpoint), **origin()}
    told |= {"files": {"training": _told(files)} | ({"validation": _told(validation)} if validation else {})}
    told["skipped"] = {name: {"questions": part.left_out, "photos": part.skipped} for name, part in parts.items()}
    model.record.update(told, figures=figures)
    save_model(model, out)
    with whole_file(out / REPORT) as file:
        file.write(f"{json.dumps(model.record, indent=1)}\n".encode())
    return f"{_report(model.record)}\nin {out}: {FILE}, {REPORT}"


def explain_photo(
    folder: Path, photo: Path, question: str, out: Path, *, checkpoint: str | None = None, top: int = 3
) -> str:
    """Answer a question about a photo file: `<stem>.<hash>.answers.png` and `.json`, each whole or not at all.

    The hash, 8 digits, is of the question, so that another one about the photo gets files of its own. The work is done
    on a copy of at most 1024 pixels a side, turned upright.

    Args:
        folder: of the model.
        photo: the image file.
        question: about it.
        out: folder for the two files.
        checkpoint: where the network is that the model was trained on; None for where it was then.
        top: number of answers.

    Returns:
        What is found, a line an answer.

    Raises:
        ValueError: as `load_model`, `read_image` and `answer_question`, or for another checkpoint than the model's.
    """
    model = load_model(folder)
    image = read_image(photo, orient=True, max_side=MAX_SIDE)
    name = same_checkpoint(model.record, checkpoint, what=f"model {folder}")
    found = answer_question(load(name), model, image, question, top=top)
    stem = f"{photo.stem}.{hashlib.sha256(question.encode()).hexdigest()[:8]}.answers"
    told = {"photo": str(photo), "picture": f"{stem}.png", "model": str(folder), "checkpoint": name}
    told |= {
        "checkpoint_sha256": model.record["checkpoint_sha256"],
        "model_sha256": _hash(folder / FILE),
        **origin(),
        **found.as_json(),
    }
    save_answering(out / f"{stem}.png", image, found, title=photo.name)
    with whole_file(out / f"{stem}.json") as file:
        file.write(f"{json.dumps(told, indent=1)}\n".encode())
    return "\n".join([*_lines(found), f"  -> {out / stem}.png"])


def _features(
    params: Params, part: Questions, *, on_error: str, **how: Any
) -> tuple[Float[np.ndarray, "i k"], Questions]:
    """The features of the photos that can be read, and the questions about these."""
    features = kept_features(params, part.photos, on_error=on_error, **how)
    lost = unread_photos(features, part.photos)
    if lost and on_error == "stop":  # of features that were kept by a command that skipped them
        raise ValueError(next(iter(lost.values())))
    left = part.without({part.image_ids[row]: why for row, why in lost.items()})
    return np.delete(features, list(lost), axis=0), left


def _check_apart(training: Questions, validation: Questions) -> None:
    both = set(training.image_ids) & set(validation.image_ids)
    if both:
        raise ValueError(
            f"--val-images: {len(both)} photos are in both splits, such as image {min(both)}; measure on others"
        )


def _told(files: VqaFiles) -> dict[str, str]:
    """Names and hashes of the two JSON files, and the folder's name."""
    questions, annotations, images = files
    hashes = {"questions_sha256": _hash(questions), "annotations_sha256": _hash(annotations)}
    return {"questions": questions.name, "annotations": annotations.name, "images": images.name, **hashes}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _report(record: Mapping[str, Any]) -> str:
    """Counts, and figures as a table."""
    counts = record["counts"]
    held = counts["held_out"]
    fit = counts["questions"] - held
    lines = [
        f"{counts['questions']} questions about {counts['photos']} photos",
        f"held out: {held} questions about {counts['held_out_photos']} of these photos",
        f"best epoch on those: {record['best_epoch']} of {record['recipe']['epochs']}",
        f"{counts['words']} words, {counts['answers']} answers; with another answer:",
        f"  {counts['unknown_answer'] / fit:.1%} of the questions to train on, which are left out of it",
        f"  {counts['unknown_answer_held_out'] / held:.1%} of those held out, which are measured on all the same",
    ]
    for part, missing in record["skipped"].items():
        if missing["questions"]:
            told = f"{missing['questions']} questions about {len(missing['photos'])} missing or damaged photos"
            lines.append(f"left out of the {part}: {told}")
    lines += ["", f"{'':<46}questions   VQA accuracy %    95% interval"]
    for part, figures in record["figures"].items():
        for name, figure in figures.items():
            title, interval = f"{part.replace('_', ' ')}: {name}", f"{figure['low']:.2f}..{figure['high']:.2f}"
            lines.append(f"{title:<46}{figure['n']:>9}{figure['value']:>17.2f}{interval:>16}")
    return "\n".join(lines)


def _lines(found: Answering) -> list[str]:
    """What is found, a line an answer."""
    lines = [found.question]
    for row, answer in enumerate(found.answers):
        shares = [
            *zip(found.known, found.words[row], strict=True),
            ("the photo", found.photo[row]),
            ("bias", found.bias[row]),
        ]
        told = ", ".join(f"{name} {share:+.2f}" for name, share in shares)
        lines.append(f"  {100 * found.probabilities[row]:5.1f}%  {answer}  (score {found.scores[row]:.2f}: {told})")
    return [*lines, f"  unknown words, left out: {', '.join(found.unknown)}"] if found.unknown else lines
