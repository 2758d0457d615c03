"""`jaxcam text`: which photos hold text, and where."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

KEPT, SHOWN = "detector.json", 5
TRAINING, MEASURING = ("positives", "negatives"), ("test", "test_negatives")


def text(
    photos: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="[PHOTO ...]")] = (),
    *,
    positives: Path | None = None,
    negatives: Path | None = None,
    test: Path | None = None,
    test_negatives: Path | None = None,
    detector: Path | None = None,
    checkpoint: str = "tiny_imagenet",
    image_size: tuple[int, int] | None = None,
    threshold: float | None = None,
    batch_size: int = 64,
    pictures: int = 40,
    on_error: Literal["stop", "skip"] = "stop",
    out: Path = Path("out"),
) -> int:
    """Train a text detector on photos with and without text, and show where it sees text.

    With --positives and --negatives it trains one and keeps it as detector.json; interrupted, the same command goes on.
    With --detector it takes a kept one. It then looks at the PHOTOs and the test photos. A folder is searched with the
    folders in it; train.xml and test.xml of Street View Text (SVT) name photos with the boxes of their words.

    Args:
        photos: image files to look for text in, as they are stored, or folders of them.
        positives: photos with text: a folder, or SVT's train.xml.
        negatives: photos without text: a folder.
        test: further photos with text to measure the detector on: a folder, or SVT's test.xml.
        test_negatives: further photos without text to measure it on: a folder.
        detector: the file of a detector, instead of positives and negatives.
        checkpoint: a bundled name, or a folder (with a separator: ./mine); its network's features are used.
        image_size: height and width that photos are squashed to in training and after it; the checkpoint's own by
            default, and larger ones show smaller letters.
        threshold: share of a map's maximum from which on a pixel is text; by default the one that suits the word boxes
            of the positives best, or without any the checkpoint's own.
        batch_size: photos a step.
        pictures: of how many photos to draw heatmaps, evenly spread over them.
        on_error: at a missing or damaged photo, stop, or skip it and say so.
        out: folder for detector.json, text.json, text.png and heatmaps.
    """
    sources = {"positives": positives, "negatives": negatives, "test": test, "test_negatives": test_negatives}
    given = {name: path for name, path in sources.items() if path is not None}
    _check(given, photos, detector, image_size, pictures)
    from jaxcam.applications.text_photos import photo_set
    from jaxcam.checkpoints import load
    from jaxcam.evaluation import Protocol

    params = Protocol(image_size=image_size).settle(load(checkpoint))
    parts = _read(given, on_error)
    looked = photo_set(text=parts.get("test"), no_text=parts.get("test_negatives"), unknown=photos)
    looked = _sound(looked, on_error)
    how: dict[str, Any] = {"batch_size": batch_size, "on_error": on_error}
    if detector is None:
        detector = out / KEPT
        found = _train(params, parts, given, detector, threshold=threshold, checkpoint=checkpoint, how=how)
    else:
        found = _kept(detector, checkpoint, threshold)
    return _look(params, found, looked, out, detector=detector, checkpoint=checkpoint, keep_maps=pictures, **how)


def _check(given, photos, detector, image_size, pictures):
    training = [name for name in TRAINING if name in given]
    if (len(training) != len(TRAINING)) if detector is None else training:
        named = " and ".join(f"--{name}" for name in training) or "neither"
        raise ValueError(
            f"--positives, --negatives, --detector: got {named}{' and --detector' if detector else ''}; "
            "give --positives and --negatives to train a detector, or --detector alone to use one"
        )
    if detector is not None and image_size is not None:
        raise ValueError("--image-size: the detector has its own, that of its training; leave it out")
    if detector is not None and not photos and not any(name in given for name in MEASURING):
        raise ValueError("--detector: got no photo to look at; give PHOTO, --test or --test-negatives")
    if pictures < 0:
        raise ValueError(f"--pictures: got {pictures}; give a number of photos from 0")


def _read(given, on_error):
    """The sets of photos by their names, none of which shares a photo with another."""
    from itertools import combinations

    from jaxcam.applications.text_photos import check_apart, read_photos

    parts = {name: read_photos(path, on_error=on_error) for name, path in given.items()}
    for first, second in combinations(parts, 2):
        options = (f"--{first.replace('_', '-')}", f"--{second.replace('_', '-')}")
        check_apart(parts[first], parts[second], names=options)
    return {name: part if name in MEASURING else _sound(part, on_error) for name, part in parts.items()}


def _sound(photos, on_error):
    """The photos without those that cannot be read, or a ValueError, before the long work."""
    from jaxcam.datasets import inspect

    unreadable = inspect(photos).unreadable
    if unreadable and on_error == "stop":
        raise ValueError(
            f"{len(unreadable)} photos cannot be read: {'; '.join(list(unreadable.values())[:SHOWN])}; "
            "--on-error skip leaves out what cannot be read"
        )
    return photos.without(unreadable)


def _train(params, parts, given, path, *, threshold, checkpoint, how):
    """Train a detector, write it down, and say how it was made."""
    import shutil

    from jaxcam.applications.detector import save_detector
    from jaxcam.applications.text_detection import train_text_detector
    from jaxcam.applications.text_report import training_record

    keep = path.parent / ".text"
    made = train_text_detector(params, parts["positives"], parts["negatives"], threshold=threshold, keep=keep, **how)
    record = training_record(made, positives=str(given["positives"]), negatives=str(given["negatives"]))
    save_detector(made.detector, path, checkpoint=checkpoint, further=record)
    shutil.rmtree(keep)
    _warn(made.skipped)
    print(
        f"trained on {made.photos[0]} photos with text and {made.photos[1]} without, C {made.detector.penalty:g}; "
        f"threshold {made.detector.threshold:g} of a map's maximum, by {made.chosen_by}: {path}"
    )
    return made.detector


def _kept(path, checkpoint, threshold):
    from jaxcam.applications.detector import load_detector
    from jaxcam.evaluation.inputs import check_threshold

    found = load_detector(path, checkpoint=checkpoint)
    if found.name != "text":
        raise ValueError(f"{path}: detects {found.name!r}; give a detector of text, as `jaxcam text` keeps in {KEPT}")
    return found if threshold is None else found._replace(threshold=check_threshold(threshold))


def _look(params, found, looked, out, *, detector, checkpoint, **how):
    """Look for text, write everything down, and print what was found."""
    from jaxcam.applications.text_detection import find_text
    from jaxcam.applications.text_report import save_text_report, text_table

    if len(looked) == 0:
        _warn(looked.skipped)
        return 0
    search = find_text(params, found, looked, **how)
    files = save_text_report(search, out, detector=found, checkpoint=checkpoint, further={"detector": str(detector)})
    _warn(search.skipped)
    print(*filter(None, (*_lines(search), text_table(search, found))), f"in {out}: {', '.join(files)}", sep="\n")
    return 0


def _warn(skipped):
    if skipped:
        more = f" and {len(skipped) - SHOWN} more" if len(skipped) > SHOWN else ""
        print(f"warning: skipped or cut ({len(skipped)}): {'; '.join(skipped[:SHOWN])}{more}", file=sys.stderr)


def _lines(search):
    """A line for each photo of which nothing is known."""
    from jaxcam.applications.text_photos import UNKNOWN

    for finding in search.findings:
        if finding.example.label == UNKNOWN:
            boxes = ("[" + " ".join(f"{side:.0f}" for side in box) + "]" for box in finding.boxes)
            said = f"text {' '.join(boxes)}" if finding.has_text else "no text"
            yield f"{finding.example.path}: score {finding.score:+.2f}, {said}"
