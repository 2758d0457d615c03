"""What a text detector found, on disk: heatmaps with boxes, a contact sheet of them, and all figures as JSON."""

import json
import warnings
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from jaxcam.applications._old_pictures import remove_pictures
from jaxcam.applications._text_pixels import THRESHOLDS, PixelSums
from jaxcam.applications.detector import Detector
from jaxcam.applications.text_detection import TextFinding, TextSearch, TextTraining
from jaxcam.applications.text_photos import KINDS, TEXT, UNKNOWN
from jaxcam.arrays import Photos
from jaxcam.checkpoints import checkpoint_hash
from jaxcam.evaluation.origin import origin
from jaxcam.geometry import resize_matrix, scale_boxes
from jaxcam.image_files import read_image
from jaxcam.metrics import FRAME
from jaxcam.report.heatmaps import overlay
from jaxcam.whole_files import whole_file

MAX_SIDE, COLUMNS, CELL, DPI = 640, 4, 2.6, 120  # pixels; pictures in a row, inches each, dots an inch
REPORT, SHEET = "text.json", "text.png"
LETTERS = 30  # of a file's name
RIGHT, WRONG, INK = "#1a7f37", "#cf222e", "#1a1a1a"
FOUND, TRUE, RIM = (255, 255, 255), (57, 211, 83), (0, 0, 0)
NOTE = "heat: evidence for text · white boxes: where it is taken for text · green boxes: words as annotated"


def text_table(search: TextSearch, detector: Detector) -> str:
    """The figures of a search, for people; "" where nothing is known of the photos."""
    figures, lines = search.figures(), []
    for name, told in (("detected", "photos with text found"), ("false_alarms", "photos without text taken for some")):
        if name in figures:
            value, low, high, count = figures[name]
            lines.append(f"{told + f' (of {count})':<44}{value:7.2f}%  [{low:.2f}..{high:.2f}]")
    if search.boxed:
        rows = _pixel_rows(search)
        lines += ["", f"{f'pixels of {search.boxed} photos with word boxes, in %':<44} recall  precision     F1"]
        names = {"detector": f"detector, at {detector.threshold:g} of the maximum", "whole_photo": "whole photo"}
        names["centred_box"] = "centred box of half its sides"
        for name, row in rows.items():
            lines.append(f"  {names[name]:<42}{row['recall']:7.2f}{row['precision']:11.2f}{row['f1']:7.2f}")
    return "\n".join(lines)


def training_record(training: TextTraining, *, positives: str, negatives: str) -> dict[str, Any]:
    """What a detector was made from, for its file: its photos, and how the threshold was chosen.

    Args:
        training: of `train_text_detector`.
        positives: where the photos with text are from.
        negatives: where those without are from.
    """
    record: dict[str, Any] = {
        name: {"source": source, "photos": count}
        for name, source, count in zip(("positives", "negatives"), (positives, negatives), training.photos, strict=True)
    }
    curve = {"curve": _curve(training.pixels)} if training.pixels is not None else {}
    return {**record, "threshold_from": training.chosen_by, **curve, "skipped": training.skipped}


def save_text_report(
    search: TextSearch, out: Path, *, detector: Detector, checkpoint: str, further: dict[str, Any] | None = None
) -> list[str]:
    """Write a heatmap for every photo whose map was kept, a contact sheet of these, and `text.json`, which is last.

    Pictures that an earlier `text.json` of the folder lists are removed.

    Args:
        search: of `find_text`.
        out: the folder for `heatmaps/<number>_<name>.png`, `text.png` and `text.json`.
        detector: that found it.
        checkpoint: that the params are from.
        further: what else to write down, such as where the detector is from.

    Returns:
        The names of the files.
    """
    remove_pictures(out / REPORT)
    pictures = {}
    digits = len(str(len(search.findings)))
    for number, finding in enumerate(search.findings, start=1):
        if finding.map is not None:
            name = f"heatmaps/{number:0{digits}}_{Path(str(finding.example.path)).stem}.png"
            pictures[number] = name, draw_finding(finding)
            with whole_file(out / name) as file:
                Image.fromarray(pictures[number][1]).save(file, "PNG")
    if pictures:
        shown = [(search.findings[number - 1], picture) for number, (_, picture) in pictures.items()]
        _save_sheet(out / SHEET, shown)
    told: dict[str, Any] = {"checkpoint": checkpoint, "checkpoint_sha256": checkpoint_hash(checkpoint), **origin()}
    told |= {"threshold": detector.threshold, "image_size": detector.image_size, "grid": FRAME, **(further or {})}
    told["figures"] = {name: figure._asdict() for name, figure in search.figures().items()}
    if search.boxed:
        told["pixels"] = {"photos": search.boxed, **_pixel_rows(search), "curve": _curve(search.pixels)}
    told["photos"] = [
        _entry(finding, pictures.get(number, (None,))[0]) for number, finding in enumerate(search.findings, start=1)
    ]
    sheet = [SHEET] if pictures else []
    told |= {"pictures": [*sheet, *(name for name, _ in pictures.values())], "skipped": search.skipped}
    with whole_file(out / REPORT) as file:
        file.write(f"{json.dumps(told, indent=1)}\n".encode())
    return [*sheet, REPORT]


def draw_finding(finding: TextFinding) -> Photos:
    """The heatmap of a photo whose map was kept, with the boxes found in white and those of words in green.

    Returns:
        uint8 (h, w, 3), the longer side at most 640 pixels.
    """
    assert finding.map is not None, "keep_maps"
    photo = read_image(finding.example.path, max_side=MAX_SIDE)
    size = (photo.shape[0], photo.shape[1])
    rows, columns = (resize_matrix(length, full) for length, full in zip(FRAME, size, strict=True))
    picture = Image.fromarray(overlay(photo, rows @ finding.map @ columns.T))
    pen, stroke = ImageDraw.Draw(picture), max(1, round(max(size) / 240))
    for boxes, colour, width in ((finding.boxes, FOUND, 2 * stroke), (finding.example.boxes, TRUE, stroke + 1)):
        for box in scale_boxes(np.reshape(boxes, (-1, 4)), finding.size, size):
            x0, y0, x1, y1 = map(int, box.round())
            # A half-open box ends with the pixel before its end; one smaller than a pixel is shown as one.
            x1, y1 = max(x0, x1 - 1), max(y0, y1 - 1)
            pen.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=RIM)  # so that it is seen on anything
            pen.rectangle((x0, y0, x1, y1), outline=colour, width=width)
    return np.array(picture)


def _save_sheet(path: Path, shown: list[tuple[TextFinding, Photos]]) -> None:
    rows = ceil(len(shown) / COLUMNS)
    figure = Figure(figsize=(COLUMNS * CELL, rows * CELL + 0.4), dpi=DPI, facecolor="white", layout="constrained")
    for axes in figure.subplots(rows, COLUMNS, squeeze=False).flat:
        axes.set_axis_off()
    for axes, (finding, picture) in zip(figure.axes, shown, strict=False):
        axes.imshow(picture, interpolation="antialiased")
        kind = finding.example.label
        colour = INK if kind == UNKNOWN else RIGHT if finding.has_text == (kind == TEXT) else WRONG
        count = len(finding.boxes)
        said = f"text, {count} {'box' if count == 1 else 'boxes'}" if finding.has_text else "no text"
        name = Path(str(finding.example.path)).name
        name = name if len(name) <= LETTERS else f"…{name[1 - LETTERS :]}"
        axes.set_title(f"{name}\n{said} (score {finding.score:+.2f})", fontsize=8, color=colour, parse_math=False)
    figure.supxlabel(NOTE, fontsize=8)
    with whole_file(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is an empty frame
        FigureCanvasAgg(figure).print_png(file)


def _entry(finding: TextFinding, heatmap: str | None) -> dict[str, Any]:
    height, width = finding.size
    return {
        "path": str(finding.example.path),
        "known": KINDS[finding.example.label],
        "width": width,
        "height": height,
        "score": round(finding.score, 6),
        "text": finding.has_text,
        "boxes": np.round(finding.boxes, 3).tolist(),
        "words": finding.example.boxes,
        "heatmap": heatmap,
    }


def _pixel_rows(search: TextSearch) -> dict[str, dict[str, float]]:
    """Recall, precision and F1 of the detector, and of what looks at no photo."""
    whole_photo, centred_box = search.baselines.rows()
    return {"detector": search.pixels.rows()[-1], "whole_photo": whole_photo, "centred_box": centred_box}


def _curve(pixels: PixelSums) -> list[dict[str, float]]:
    """Recall, precision and F1 at each of the common thresholds."""
    rows = pixels.rows()[: len(THRESHOLDS)]
    return [{"threshold": round(float(at), 2), **row} for at, row in zip(THRESHOLDS, rows, strict=True)]
