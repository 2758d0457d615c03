"""What was found of a concept, as files: figures, ranking, detector, and heatmaps of the photos ranked highest."""

import json
import os
import warnings
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from jaxcam.applications._old_pictures import remove_pictures
from jaxcam.applications.concept_mining import Concept
from jaxcam.applications.detector import evidence, save_detector
from jaxcam.arrays import Photos
from jaxcam.checkpoints import checkpoint_hash
from jaxcam.evaluation.journal import write_lines
from jaxcam.evaluation.origin import origin
from jaxcam.geometry import resize_matrix
from jaxcam.image_files import read_image, resize_image
from jaxcam.params import Params
from jaxcam.report.contact_sheet import DPI, RIGHT, WRONG
from jaxcam.report.heatmaps import overlay
from jaxcam.whole_files import whole_file

REPORT, RANKING, DETECTOR, SHEET = "concept.json", "ranking.jsonl", "concept_detector.json", "concept.png"
LONGEST_SIDE = 640  # pixels of a heatmap
BATCH = 32
COLUMNS, CELL_WIDTH, CELL_HEIGHT = 3, 3.6, 2.35  # inches
LETTERS = 44  # of a file's name


class Shown(NamedTuple):
    """One of the photos ranked highest.

    Attributes:
        path: its file.
        score: the decision function.
        relevant: whether it shows the concept; None where nobody knows.
        photo: uint8 (h, w, 3).
        heat: the concept's map laid over it.
    """

    path: Path
    score: float
    relevant: bool | None
    photo: Photos
    heat: Photos


def save_concept(
    params: Params, found: Concept, out: str | os.PathLike[str], *, checkpoint: str, options: dict[str, Any], top: int
) -> list[str]:
    """Write what `find_concept` found.

    Args:
        params: the network's.
        found: of `find_concept`.
        out: the folder for `concept.json` (figures, how they were made, what mining added), `ranking.jsonl` (a line a
            photo, the highest score first), `concept_detector.json`, and of the photos ranked highest `heatmap_01.png`
            and so on, and `concept.png`, all of them on a sheet. Pictures that an earlier `concept.json` there lists
            are removed.
        checkpoint: that the params are from.
        options: what the command was told, to write down.
        top: how many photos to show.

    Returns:
        The files' names.

    Raises:
        ValueError: for less than one photo to show, or a network without cells.

    >>> save_concept(params, found, "out", checkpoint="tiny_imagenet", options={}, top=12)  # doctest: +SKIP
    """
    if top < 1:
        raise ValueError(f"top: got {top}; give at least 1 photo to show")
    out, photos, ranked = Path(out), found.photos, found.ranked
    lines: list[dict[str, Any]] = [
        {"path": str(photos.gallery[place]), "score": float(found.scores[place]), **_relevant(found, place)}
        for place in ranked
    ]
    write_lines(out / RANKING, lines)
    save_detector(found.rounds[-1].detector, out / DETECTOR, checkpoint=checkpoint)
    shown = _show(params, found, ranked[:top])
    remove_pictures(out / REPORT)
    names = [f"heatmap_{number:02}.png" for number in range(1, len(shown) + 1)]
    for name, each in zip(names, shown, strict=True):
        with whole_file(out / name) as file:
            Image.fromarray(each.heat).save(file, "PNG")
    _save_sheet(out / SHEET, shown, photos.name)
    top_lines = [{**line, "heatmap": name} for line, name in zip(lines, names, strict=False)]
    told = {**_told(found), "options": options, "top": top_lines, "pictures": [SHEET, *names]}
    told |= {"checkpoint": checkpoint, "checkpoint_sha256": checkpoint_hash(checkpoint), **origin()}
    with whole_file(out / REPORT) as file:
        file.write(f"{json.dumps(told, indent=1, allow_nan=False)}\n".encode())
    return [REPORT, RANKING, DETECTOR, SHEET, *names]


def _told(found: Concept) -> dict[str, Any]:
    """The figures as JSON values."""
    photos, rounds, before = found.photos, [], 0
    for number, each in enumerate(found.rounds):
        added = [str(photos.pool[row]) for row in each.negatives[before:]]
        entry = {"negatives": len(each.negatives), "positives_found": each.true_positives}
        entry |= {"false_positives_left": each.false_positives}
        precision = {"average_precision": found.average_precisions[number]} if found.average_precisions else {}
        rounds.append({**entry, "penalty": each.detector.penalty, **precision, "added": added})
        before = len(each.negatives)
    counts = {"positives": len(photos.positives), "pool": len(photos.pool), "ranked": len(photos.gallery)}
    counts |= {"relevant": sum(photos.relevant)} if photos.relevant else {}
    left_out = {why: count for why, count in photos.left_out.items() if count}
    told = {"concept": photos.name, "photos": counts, "left_out": left_out, "unreadable": list(found.unreadable)}
    return {**told, "positives": list(map(str, photos.positives)), "rounds": rounds}


def _relevant(found: Concept, place: int | np.integer) -> dict[str, bool]:
    return {"relevant": found.photos.relevant[place]} if found.photos.relevant else {}


def _show(params: Params, found: Concept, places: np.ndarray) -> list[Shown]:
    """The photos at some places of the gallery, with their maps."""
    (height, width), how = params.card.image_size, params.card.preprocessing.interpolation
    shown = []
    for some in np.split(places, range(BATCH, len(places), BATCH)):
        paths = [found.photos.gallery[place] for place in some]
        squashed = [resize_image(read_image(path), (height, width), interpolation=how) for path in paths]
        maps = evidence(params, np.stack(squashed), found.rounds[-1].detector, size="cells").maps
        for path, place, cells in zip(paths, some, np.asarray(maps), strict=True):
            photo = read_image(path, max_side=LONGEST_SIDE)
            heat = overlay(photo, _upsampled(cells, photo.shape[:2]))
            relevant = _relevant(found, place).get("relevant")
            shown.append(Shown(path, float(found.scores[place]), relevant, photo, heat))
    return shown


def _upsampled(cells: Float[np.ndarray, "y x"], size: tuple[int, int]) -> Float[np.ndarray, "h w"]:
    rows, columns = (resize_matrix(length, wanted) for length, wanted in zip(cells.shape, size, strict=True))
    return rows @ cells @ columns.T


def _save_sheet(path: Path, shown: Sequence[Shown], name: str) -> None:
    """A PNG with each photo beside its heatmap, the highest score first."""
    rows = ceil(len(shown) / COLUMNS)
    columns = min(COLUMNS, len(shown))
    size = (columns * CELL_WIDTH, rows * CELL_HEIGHT + 0.7)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
    figure.suptitle(_tail(name), fontsize=12, fontweight="bold", parse_math=False)
    note = "heat: where the evidence for the concept lies, from none (blue) to the most in that photo (red)"
    if shown[0].relevant is not None:
        note += "\ngreen: shows the concept · red: does not"
    figure.supxlabel(note, fontsize=8.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
        axes.set_anchor("N")
    for number, (axes, each) in enumerate(zip(grid.flat, shown, strict=False), start=1):
        gap = np.full((each.photo.shape[0], max(1, each.photo.shape[1] // 40), 3), 255, np.uint8)
        axes.imshow(np.concatenate([each.photo, gap, each.heat], axis=1), interpolation="bicubic")
        colour = {True: RIGHT, False: WRONG, None: "black"}[each.relevant]
        told = _tail(f"{each.path.parent.name}/{each.path.name}")
        axes.set_title(f"{number}.  score {each.score:.2f}\n{told}", fontsize=8, color=colour, parse_math=False)
    with whole_file(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is an empty frame
        FigureCanvasAgg(figure).print_png(file)


def _tail(text: str) -> str:
    """The end of a long name, where names of one folder differ."""
    return text if len(text) <= LETTERS else f"\N{HORIZONTAL ELLIPSIS}{text[1 - LETTERS :]}"
