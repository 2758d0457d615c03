"""The weakly supervised text detector of the CAM paper: told only which photos hold text, it shows where.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 4.2: a
linear SVM on the pooled features of photos with text (SVT's) and of others without, whose class map shows the text.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from jaxcam.applications._text_pixels import (
    THRESHOLDS,
    PixelSums,
    baselines,
    boxes_of,
    find_pixels,
    no_pixels,
    word_pixels,
)
from jaxcam.applications.detector import Detector, evidence, fit_detector
from jaxcam.applications.keeping import kept_features, unread_photos
from jaxcam.applications.svm import check_svm
from jaxcam.applications.text_photos import NO_TEXT, TEXT, check_apart
from jaxcam.batches import Batch, batches
from jaxcam.datasets import Dataset, Example
from jaxcam.datasets.damage import check_on_error
from jaxcam.evaluation.inputs import check_network, check_threshold
from jaxcam.evaluation.outcomes import skipped as skipped_line
from jaxcam.evaluation.protocol import Protocol
from jaxcam.metrics import FRAME
from jaxcam.params import Params
from jaxcam.report.table import Figure, share_of


class TextTraining(NamedTuple):
    """What `train_text_detector` gives.

    Attributes:
        detector: with its threshold.
        photos: how many photos with text and without were used.
        chosen_by: where the threshold is from.
        pixels: counts on the training photos with word boxes, as of `TextSearch`; None where the threshold was given,
            or none of them has boxes.
        skipped: what could not be read, and why.
    """

    detector: Detector
    photos: tuple[int, int]
    chosen_by: str
    pixels: PixelSums | None
    skipped: tuple[str, ...]


def train_text_detector(
    params: Params,
    positives: Dataset,
    negatives: Dataset,
    *,
    threshold: float | None = None,
    batch_size: int = 64,
    keep: str | os.PathLike[str] | None = None,
    progress: bool = True,
    on_error: str = "stop",
) -> TextTraining:
    """Train a text detector on photos with text and photos without.

    Where the text lies is not used in training. Only the threshold, one number, is chosen by the word boxes of the
    training photos, where there are any: the one with the highest F1 of pixels.

    Args:
        params: any network's with a last feature map, fed photos squashed to the card's size.
        positives: photos with text, with or without word boxes; at least 2.
        negatives: photos without text; at least 2.
        threshold: share of a map's maximum, above 0 and at most 1; None to choose it by word boxes, or without any to
            take the card's.
        batch_size: photos a step.
        keep: as for `jaxcam.applications.keeping.kept_features`.
        progress: show it on stderr.
        on_error: "stop" at an unreadable photo, or "skip" it and say so.

    Returns:
        A TextTraining.

    Raises:
        ValueError: for fewer than two photos of a kind, photos that are of both, a threshold out of range, an
            unreadable photo, or without scikit-learn.

    >>> negatives = read_photos("streets_without_signs")  # doctest: +SKIP
    >>> train_text_detector(params, svt("svt1/train.xml"), negatives).detector.threshold  # doctest: +SKIP
    """
    check_apart(positives, negatives, names=("positives", "negatives"))
    threshold = None if threshold is None else check_threshold(threshold)
    check_svm(np.repeat([0, 1], [len(negatives), len(positives)]))
    rows, skipped = [], []
    for part in (positives, negatives):
        features = kept_features(params, part, keep, batch_size=batch_size, progress=progress, on_error=on_error)
        unread = unread_photos(features, part)
        if unread and on_error == "stop":  # of features that were kept by a command that skipped them
            raise ValueError(next(iter(unread.values())))
        rows.append(np.delete(features, list(unread), axis=0))
        skipped += [*part.skipped, *unread.values()]
    detector = fit_detector(*rows, name="text")._replace(image_size=params.card.image_size)
    boxed, chosen_by = tuple(example for example in positives if example.boxes), "the option given"
    photos, pixels = (len(rows[0]), len(rows[1])), None
    if threshold is None and boxed:
        part = Dataset(boxed, positives.classes)
        found = find_text(params, detector, part, batch_size=batch_size, progress=progress, on_error=on_error)
        pixels = found.pixels
        if found.boxed:
            threshold = float(THRESHOLDS[pixels.f1[: len(THRESHOLDS)].argmax()])
            chosen_by = f"the word boxes of {found.boxed} training photos"
    if threshold is None:
        chosen_by, threshold = "the checkpoint's card", params.card.threshold
    return TextTraining(detector._replace(threshold=round(threshold, 6)), photos, chosen_by, pixels, tuple(skipped))


@dataclass(frozen=True, eq=False)
class TextFinding:
    """What was found in one photo.

    Attributes:
        example: the photo, and the boxes of its words where they are known.
        size: its (height, width) in pixels.
        score: the detector's; there is text where it is above 0.
        boxes: (n, 4) half-open (x0, y0, x1, y1) in pixels of the photo, of every connected component (8 neighbours)
            where the map reaches the threshold, the largest first; none where there is no text.
        map: (224, 224) of the squashed photo, raw; None where it was not kept.
    """

    example: Example
    size: tuple[int, int]
    score: float
    boxes: Float[np.ndarray, "n 4"]
    map: Float[np.ndarray, "224 224"] | None = None

    @property
    def has_text(self) -> bool:
        """Whether the detector says that there is text."""
        return self.score > 0


class TextSearch(NamedTuple):
    """What `find_text` found.

    Attributes:
        findings: one a photo that could be read, in order.
        boxed: how many of them have word boxes; the next two are of these, whatever their scores.
        pixels: counts at every one of `THRESHOLDS`, and behind them at the detector's own threshold.
        baselines: counts where the whole photo is found, and where a centred box of half its sides is.
        skipped: what could not be read, and why.
    """

    findings: tuple[TextFinding, ...]
    boxed: int
    pixels: PixelSums
    baselines: PixelSums
    skipped: tuple[str, ...]

    def figures(self) -> dict[str, Figure]:
        """The share of photos in which there is text by the detector, of those with text and of those without."""
        figures: dict[str, Figure] = {}
        for name, kind in (("detected", TEXT), ("false_alarms", NO_TEXT)):
            told = [finding.has_text for finding in self.findings if finding.example.label == kind]
            figures |= {name: share_of(sum(told), len(told))} if told else {}
        return figures


def find_text(
    params: Params,
    detector: Detector,
    photos: Dataset,
    *,
    keep_maps: int = 0,
    batch_size: int = 64,
    progress: bool = True,
    on_error: str = "stop",
) -> TextSearch:
    """Tell which photos hold text, and where.

    Photos are squashed to the detector's size, their maps made on the device and upsampled to 224x224. A pixel is
    found where M(x, y) >= threshold * max M > 0; recall and precision are hits / text and hits / found of the pixels of
    all photos with word boxes, where text is what lies in a word's box. Words without a box count as no text, and SVT
    has many.

    Args:
        params: the network's that the detector was trained on.
        detector: of `train_text_detector`, or of a file.
        photos: such as of `photo_set`.
        keep_maps: the maps of how many photos to keep, evenly spread.
        batch_size: photos a step.
        progress: show it on stderr.
        on_error: "stop" at an unreadable photo, or "skip" it and say so.

    Returns:
        A TextSearch.

    Raises:
        ValueError: for no photo, a network that does not fit the detector, or an unreadable photo.

    >>> search = find_text(params, detector, photo_set(text=svt("svt1/test.xml")))  # doctest: +SKIP
    >>> search.pixels.rows()[-1]["recall"], search.findings[0].boxes  # doctest: +SKIP
    """
    check_on_error(on_error)
    check_network(params, Protocol(), localize=False)
    if detector.image_size:
        height, width = detector.image_size
        params = Protocol(image_size=(height, width)).settle(params)
    kept = {int(place) for place in np.linspace(0, len(photos) - 1, min(keep_maps, len(photos)))}
    card, thresholds = params.card, np.append(THRESHOLDS, np.float32(detector.threshold))
    how: dict[str, Any] = {"interpolation": card.preprocessing.interpolation, "on_error": on_error}
    findings, boxed, skipped = [], 0, list(photos.skipped)
    pixels, plain = no_pixels(len(thresholds)), no_pixels(2)
    with tqdm(total=len(photos), desc="text", unit=" images", disable=not progress) as bar:
        for batch in batches(photos, batch_size=batch_size, image_size=card.image_size, **how):
            for finding, text, counts in _looked(params, detector, photos, batch, thresholds, kept):
                findings.append(finding)
                if finding.example.boxes:
                    boxed, pixels, plain = boxed + 1, pixels.merged(counts), plain.merged(baselines(text))
            unread = batch.index[~batch.mask & (batch.index >= 0)]
            skipped += [skipped_line(int(index), photos[int(index)])["skipped"] for index in unread]
            bar.update(int((batch.index >= 0).sum()))
    return TextSearch(tuple(findings), boxed, pixels, plain, tuple(skipped))


def _looked(
    params: Params, detector: Detector, photos: Dataset, batch: Batch, thresholds: np.ndarray, kept: set[int]
) -> Iterator[tuple[TextFinding, np.ndarray, PixelSums]]:
    """What is found in each photo of a batch, which of its pixels are text, and its counts."""
    sizes = [(int(height), int(width)) for height, width in batch.sizes]
    text = np.zeros((len(sizes), *FRAME), bool)
    for row in map(int, np.flatnonzero(batch.mask)):
        text[row] = word_pixels(photos[int(batch.index[row])].boxes, sizes[row])
    seen = evidence(params, batch.images, detector, size=FRAME)
    scores, counted = jax.device_get((seen.scores, find_pixels(seen.maps, text, thresholds, thresholds[-1])))
    maps = np.asarray(seen.maps) if kept.intersection(batch.index.tolist()) else None
    for row in map(int, np.flatnonzero(batch.mask)):
        index, score = int(batch.index[row]), float(scores[row])
        boxes = boxes_of(counted.packed[row], sizes[row]) if score > 0 else np.zeros((0, 4))
        class_map = maps[row] if maps is not None and index in kept else None
        finding = TextFinding(photos[index], sizes[row], score, boxes, class_map)
        hits, found = counted.hits[row].astype(np.int64), counted.found[row].astype(np.int64)
        yield finding, text[row], PixelSums(hits, found, int(text[row].sum()), text[row].size)
