"""Cards of images, each a photo under its heat and boxes, and the controls that filter them."""

import base64
from collections import Counter
from collections.abc import Sequence
from html import escape
from io import BytesIO
from statistics import median

import numpy as np
from jaxtyping import Float
from PIL import Image

from jaxcam.arrays import Photos
from jaxcam.report.contact_sheet import Sample
from jaxcam.report.heatmaps import overlay

PHOTO_HEIGHT, PHOTO_WIDTH, QUALITY = 224, 400, 80  # the most pixels of a photo, and its JPEG's quality
HEAT_SIDE = 32  # pixels of the heat's longer side; the browser smooths between them
OPACITY = 40  # percent of the heat, as `overlay` has it


def draw_gallery(samples: Sequence[Sample]) -> str:
    """Controls and a card a sample; nothing for no sample."""
    if not samples:
        return ""
    cards = "\n".join(map(_card, samples))
    # One shape for all stages: that of the middle photo, but no extreme one.
    aspect = np.clip(median(sample.photo.shape[1] / sample.photo.shape[0] for sample in samples), 0.8, 1.5)
    return f'{_controls(samples)}\n<ul class="cards" style="--aspect:{aspect:.3f}">\n{cards}\n</ul>'


def _controls(samples: Sequence[Sample]) -> str:
    labels = Counter(sample.label for sample in samples)
    classes = "".join(
        f'<option value="{escape(name)}">{escape(name)} ({count})</option>' for name, count in sorted(labels.items())
    )
    ordered = sorted(samples, key=lambda sample: (not sample.class_right, not sample.box_right))
    outcomes = "".join(
        f'<button type="button" data-outcome="{verdict}" aria-pressed="false">{verdict} <small>{count}</small></button>'
        for verdict, count in Counter(sample.verdict for sample in ordered).items()
    )
    boxes = {"found": "predicted box"} | ({"true": "true box"} if any(len(sample.truth) for sample in samples) else {})
    toggles = "".join(
        f'<label><input type="checkbox" data-box="{kind}" checked> <i class="key {kind}"></i> {text}</label>'
        for kind, text in boxes.items()
    )
    ramp = draw_heat(np.linspace(0, 1, HEAT_SIDE, dtype=np.float32)[None])
    total = len(samples)
    return (
        '<div class="controls">\n'
        f'<label>True class <select><option value="">all {len(labels)}</option>{classes}</select></label>\n'
        '<div class="outcomes" role="group" aria-label="Outcome">'
        f'<button type="button" data-outcome="" aria-pressed="true">all <small>{total}</small></button>{outcomes}'
        f'</div>\n<p class="count" role="status"><output>{total}</output> of {total} images</p>\n'
        f'<div class="looks">{toggles}<label>Heat <img class="ramp" src="{ramp}" alt="from none to the most">'
        f'<input type="range" min="0" max="100" value="{OPACITY}" aria-label="Opacity of the heat in percent"></label>'
        "</div>\n</div>"
    )


def _card(sample: Sample) -> str:
    height, width = sample.photo.shape[:2]
    guess, label, verdict = escape(sample.guess), escape(sample.label), sample.verdict
    boxes = [_box(sample.box, height, width, "found")] + [_box(box, height, width, "true") for box in sample.truth]
    colour = {"right": "right", "wrong": "wrong"}.get(verdict, "half")
    return (
        f'<li class="card" data-class="{label}" data-outcome="{verdict}"><div class="stage">'
        f'<div class="frame" style="--shape:{width / height:.4f}">'
        f'<img class="photo" alt="photo of {label}" src="{draw_photo(sample.photo)}">'
        f'<img class="heat" alt="heat of {guess}" src="{draw_heat(sample.map)}">{"".join(boxes)}</div></div>'
        f'<p class="guess" title="{guess}"><b>{guess}</b> <span>{sample.percent}</span></p>'
        f'<p class="label" title="{label}">true: {label}</p><p class="verdict {colour}">{verdict}</p></li>'
    )


def draw_photo(photo: Photos) -> str:
    image, buffer = Image.fromarray(photo), BytesIO()
    image.thumbnail((PHOTO_WIDTH, PHOTO_HEIGHT), Image.Resampling.LANCZOS)
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return _data_uri("image/jpeg", buffer)


def draw_heat(raw_map: Float[np.ndarray, "h w"]) -> str:
    """The map as `overlay` colours it, of few pixels."""
    small, buffer = Image.fromarray(raw_map.astype(np.float32)), BytesIO()
    small.thumbnail((HEAT_SIDE, HEAT_SIDE), Image.Resampling.BILINEAR)
    cells = np.asarray(small)
    pixels = overlay(np.zeros((*cells.shape, 3), np.uint8), cells, alpha=1.0)
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return _data_uri("image/png", buffer)


def _data_uri(kind: str, buffer: BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _box(box: Float[np.ndarray, "4"], height: int, width: int, kind: str) -> str:
    """A box in percent of the photo, so that it fits at any size; what lies outside is cut off."""
    if not np.isfinite(box).all():
        raise ValueError(f"samples: got a box {box.tolist()}; give finite ones")
    x0, y0, x1, y1 = (box.astype(float) * 100 / [width, height, width, height]).clip(0, 100).tolist()
    place = f"left:{x0:.2f}%;top:{y0:.2f}%;width:{x1 - x0:.2f}%;height:{y1 - y0:.2f}%"
    return f'<span class="box {kind}" style="{place}"></span>'
