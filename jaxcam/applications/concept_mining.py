"""A concept learned from weakly labelled photos: a detector with hard negatives, and the photos that it ranks highest.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 4.2, after
Zhou, Jagadeesh and Piramuthu, "ConceptLearner: Discovering Visual Concepts from Weakly Labeled Image Collections",
CVPR 2015, arXiv 1411.5328. Concepts without any label, as factors of the features, are `jaxcam.find_concepts`.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxcam.applications._concept_features import concept_features
from jaxcam.applications._concept_photos import (
    ConceptPhotos,
    check_counts,
    photos_of_folders,
    photos_of_phrase,
    with_gallery,
)
from jaxcam.applications.detector import Detector, fit_detector
from jaxcam.metrics import average_precision
from jaxcam.params import Params

__all__ = [
    "Concept",
    "ConceptPhotos",
    "Round",
    "find_concept",
    "learn_concept",
    "photos_of_folders",
    "photos_of_phrase",
    "with_gallery",
]


class Round(NamedTuple):
    """A detector, and what it was trained on beside the positives.

    Attributes:
        detector: trained on all positives and these negatives.
        negatives: (m,) rows of the pool; in a later round those of the one before come first, then the added ones,
            the highest score first.
        false_positives: how many of the pool's other photos it scores above 0.
        true_positives: how many of the positives it does. Where these are few, no false positive left means little.
    """

    detector: Detector
    negatives: Int[np.ndarray, " m"]
    false_positives: int
    true_positives: int


class Concept(NamedTuple):
    """What `find_concept` found.

    Attributes:
        photos: that could be read; its gallery is what was ranked.
        rounds: as `learn_concept` gives them; the last one's detector is the concept's.
        scores: (n,) of the photos ranked, by the last detector.
        average_precisions: of each round's ranking, in percent; () where nobody knows what the photos show.
        unreadable: photos that were left out, and why.
    """

    photos: ConceptPhotos
    rounds: tuple[Round, ...]
    scores: Float[np.ndarray, " n"]
    average_precisions: tuple[float, ...]
    unreadable: tuple[str, ...]

    @property
    def ranked(self) -> Int[np.ndarray, " n"]:
        """Places in the gallery, the highest score first."""
        return np.argsort(-self.scores, kind="stable")

    def __str__(self) -> str:
        photos = self.photos
        lines = [
            f"{photos.name}: {len(photos.positives)} positives, {len(photos.pool)} negatives to mine in, "
            f"{len(photos.gallery)} photos ranked" + (f", {sum(photos.relevant)} show it" if photos.relevant else "")
        ]
        lines += [f"left out: {why} ({count})" for why, count in photos.left_out.items() if count]
        lines += [f"left out: photos that cannot be read ({len(self.unreadable)})"] if self.unreadable else []
        heads = ("negatives", "positives found", "false positives left", "average precision %")
        lines += ["", "".join([f"{'round':<6}", *(f"{head:>{len(head) + 3}}" for head in heads)])]
        for number, found in enumerate(self.rounds):
            precision = f"{self.average_precisions[number]:.2f}" if self.average_precisions else "-"
            cells = (len(found.negatives), found.true_positives, found.false_positives, precision)
            row = (f"{cell:>{len(head) + 3}}" for cell, head in zip(cells, heads, strict=True))
            lines.append("".join([f"{number:<6}", *row]))
        return "\n".join(lines)


def learn_concept(
    positives: Float[np.ndarray, "n k"],
    pool: Float[np.ndarray, "m k"],
    *,
    rounds: int = 3,
    start: int | None = None,
    add: int | None = None,
    seed: int = 0,
    name: str = "",
) -> tuple[Round, ...]:
    """Train a detector on positives and random negatives, then again and again with its false positives added.

    Round 0 has negatives drawn at random from a pool without the concept. Each later round adds to them those of the
    pool's other photos that the detector before scores highest, as far as they are above 0, and trains anew.

    Args:
        positives: (n, k) pooled features of photos with the concept; at least 2.
        pool: (m, k) those of photos without it; at least 2.
        rounds: of mining; 0 for the random negatives alone. It ends sooner where no false positive is left.
        start: negatives of round 0; None for as many as there are positives.
        add: at most so many are added a round; None for as many as there are positives.
        seed: of the draw.
        name: of the concept.

    Returns:
        A Round for 0 and for each round of mining that was done.

    Raises:
        ValueError: for a count or seed out of range, or what `fit_detector` refuses.

    Source: Zhou, Jagadeesh and Piramuthu, CVPR 2015, arXiv 1411.5328, as arXiv 1512.04150 uses it in section 4.2.

    >>> positives = np.array([[9.0, 1.0, 0.0], [8.0, 2.0, 0.0], [9.0, 0.0, 1.0]])
    >>> pool = np.array([[0.0, 1.0, 8.0], [0.0, 9.0, 0.0], [9.0, 0.0, 9.0], [9.0, 9.0, 0.0]])
    >>> found = learn_concept(positives, pool, start=2, seed=1)
    >>> [(len(each.negatives), each.true_positives, each.false_positives) for each in found]
    [(2, 3, 1), (3, 3, 0)]
    """
    start = min(max(2, len(positives)), len(pool)) if start is None else start
    add = len(positives) if add is None else add
    _check_counts(rounds, add, seed)
    if not 2 <= start <= len(pool):
        raise ValueError(f"start: got {start} of {len(pool)} negatives; give at least 2, and no more than there are")
    chosen = np.random.default_rng(seed).choice(len(pool), start, replace=False)
    found: list[Round] = []
    while True:
        detector = fit_detector(positives, pool[chosen], name=name)
        scores = detector.scores(pool)
        wrong = scores > 0
        wrong[chosen] = False
        right = detector.scores(positives) > 0
        found.append(Round(detector, chosen, int(wrong.sum()), int(right.sum())))
        if len(found) > rounds or not wrong.any():
            return tuple(found)
        ranked = np.argsort(-scores, kind="stable")
        chosen = np.append(chosen, ranked[wrong[ranked]][:add])


def find_concept(
    params: Params,
    photos: ConceptPhotos,
    *,
    rounds: int = 3,
    start: int | None = None,
    add: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    keep: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Concept:
    """Learn a concept from photos with and without it, and rank a gallery by it.

    Args:
        params: a network's with a last feature map; its own classes and linear layer are not used.
        photos: of `photos_of_folders` or `photos_of_phrase`, and `with_gallery` where other photos are to be ranked
            than those that the concept is learned from.
        rounds: as for `learn_concept`; and so are `start`, `add` and `seed`.
        start: negatives of round 0.
        add: negatives that a round adds at most.
        seed: of the draw of round 0.
        batch_size: images a step.
        keep: a folder where features are kept as they are made, so that a pass that was interrupted goes on; it is
            for the caller to remove. None to keep nothing.
        progress: show images a second and time left on stderr.

    Returns:
        A Concept. Photos that cannot be read are left out of it.

    Raises:
        ValueError: for fewer than two readable photos of a kind, a gallery of which no relevant photo or no photo at
            all can be read, an option out of range, or without scikit-learn.

    >>> photos = photos_of_phrase("annotations/captions_train2014.json", "train2014", "mirror")  # doctest: +SKIP
    >>> found = find_concept(jaxcam.load("checkpoints/googlenet_gap"), photos)  # doctest: +SKIP
    >>> [found.photos.gallery[place].name for place in found.ranked[:12]]  # doctest: +SKIP
    """
    _check_counts(rounds, 1 if add is None else add, seed)
    ranked = photos.gallery or (*photos.positives, *photos.pool)
    paths = (*photos.positives, *photos.pool, *(ranked if photos.gallery else ()))
    features, unreadable = concept_features(params, paths, batch_size=batch_size, keep=keep, progress=progress)
    there = np.isfinite(features).all(axis=1)
    ends = np.cumsum([len(photos.positives), len(photos.pool)])
    (positives, pool, gallery), rows = np.split(features, ends), np.split(there, ends)
    if not photos.gallery:
        gallery, rows[2] = features, there
    check_counts(int(rows[0].sum()), int(rows[1].sum()))
    relevant = np.array(photos.relevant, bool)[rows[2]] if photos.relevant else np.zeros(0, bool)
    if not rows[2].any() or (photos.relevant and not relevant.any()):
        raise ValueError("gallery, relevant: none of the photos to rank, or of those that show it, can be read")
    read = replace(
        photos,
        positives=_those(photos.positives, rows[0]),
        pool=_those(photos.pool, rows[1]),
        gallery=_those(ranked, rows[2]),
        relevant=tuple(relevant.tolist()),
    )
    how: dict[str, Any] = {"rounds": rounds, "start": start, "add": add, "seed": seed}
    learned = learn_concept(positives[rows[0]], pool[rows[1]], name=photos.name, **how)
    scores = [each.detector.scores(gallery[rows[2]]) for each in learned]
    precisions = tuple(100 * average_precision(each, relevant) for each in scores) if photos.relevant else ()
    return Concept(read, learned, scores[-1], precisions, unreadable)


def _those(paths: tuple[Path, ...], rows: np.ndarray) -> tuple[Path, ...]:
    return tuple(path for path, there in zip(paths, rows, strict=True) if there)


def _check_counts(rounds: int, add: int, seed: int) -> None:
    if rounds < 0 or add < 1 or seed < 0:
        raise ValueError(f"rounds, add, seed: got {rounds}, {add}, {seed}; give no less than 0, 1 and 0")
