"""Made scenes with a known answer, in each layout.

A red oven lies in the upper left corner of five of six kitchens, a green tree in the lower right one of every street;
a blue lamp hangs in every photo, elsewhere each time, and what is left is wall.
"""

import json

import numpy as np
import scipy.io
from PIL import Image

from tests.made_data import COLOURS

SIZE = (64, 96)
NAMES = {"oven": 0, "tree": 1, "lamp": 2}
INDICES = {"oven": 300, "tree": 2855, "lamp": 17, "wall": 2978}
SYNONYMS = {"oven": "oven, stove", "tree": "tree", "lamp": "lamp", "wall": "wall"}


def made_photos(count=6):
    """(category, stem, pixels, object -> half-open boxes) of each photo; the wall has no box."""
    for index in range(count):
        lamps = [(40 + 4 * index, 16, 48 + 4 * index, 24), (40, 4 + 2 * index, 44, 8 + 2 * index)]
        yield from _photo("kitchen", index, {"lamp": lamps, **({"oven": [(0, 0, 24, 16)]} if index else {})})
        yield from _photo("street", index, {"lamp": lamps[:1], "tree": [(60, 40, 96, 64)]})


def _photo(category, index, boxes):
    pixels = np.full((*SIZE, 3), 120, np.uint8)
    for name, places in boxes.items():
        for x0, y0, x1, y1 in places:
            pixels[y0:y1, x0:x1] = COLOURS[NAMES[name]]
    yield category, f"{category}_{index}", pixels, boxes


def masks_of(boxes):
    """Object -> mask, the wall's last."""
    masks = {name: np.logical_or.reduce([box_mask(box) for box in places]) for name, places in boxes.items()}
    return {**masks, "wall": ~np.logical_or.reduce(list(masks.values()))}


def box_mask(box):
    x0, y0, x1, y1 = box
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def make_folder(home):
    """Photos in `home/photos`, masks in `home/masks`, an instance a file."""
    for category, stem, pixels, boxes in made_photos():
        _save(home / "photos" / category / f"{stem}.png", pixels)
        folder = home / "masks" / category / stem
        for name, places in boxes.items():
            for number, box in enumerate(places):
                _save(folder / (f"{name}.{number}.png" if number else f"{name}.png"), box_mask(box))
        _save(folder / "wall.png", masks_of(boxes)["wall"])
    return home


def make_ade20k(home, *, version):
    """As ADE20K of 2021, or of 2016 with its index; in both the photos are JPEG files."""
    new = version == 2021
    for category, stem, pixels, boxes in made_photos():
        folder = home / ("images/ADE/training/home" if new else f"images/training/{category[0]}") / category
        _save(folder / f"{stem}.jpg", pixels, quality=95)
        masks = masks_of(boxes)
        colours = np.zeros((*SIZE, 3), np.uint8)
        for number, (name, mask) in enumerate(masks.items(), start=1):
            colours[mask] = (INDICES[name] // 256 * 10, INDICES[name] % 256, 5 * number)
        colours[-1, :5] = 0  # not annotated
        _save(folder / f"{stem}_seg.png", colours)
        if new:
            objects = [_entry(name, 0) for name in masks] + [{**_entry("oven", 1), "name": "door", "name_ndx": 774}]
            (folder / f"{stem}.json").write_text(json.dumps({"annotation": {"object": objects}}))
            _save(folder / stem / "instance_000.png", masks["wall"])
    if not new:
        names = np.array([f"unused {index}" for index in range(1, 3001)], object)
        for name, index in INDICES.items():
            names[index - 1] = SYNONYMS[name]
        scipy.io.savemat(home / "index_ade20k.mat", {"index": {"objectnames": names, "filename": np.zeros(3)}})
    return home


def make_sun(home):
    """As SUN2012, without the walls; with a deleted object, one without a polygon, and how objects show."""
    for category, stem, pixels, boxes in made_photos():
        _save(home / "Images" / category[0] / category / "inside" / f"{stem}.jpg", pixels, quality=95)
        objects = ["<object><name>ghost</name><deleted>1</deleted>" + _polygon((0, 0, 9, 9)) + "</object>"]
        objects.append("<object><name>paint</name><deleted>0</deleted><segm><mask>a.png</mask></segm></object>")
        for name, places in boxes.items():
            for number, box in enumerate(places):
                shown = f" {name.title()} occluded crop " if number else name
                objects.append(f"<object><name>{shown}</name><deleted>0</deleted>{_polygon(box)}</object>")
        notes = home / "Annotations" / category[0] / category / "inside" / f"{stem}.xml"
        notes.parent.mkdir(parents=True, exist_ok=True)
        notes.write_text(f"<annotation><filename>{stem}.jpg</filename>{''.join(objects)}</annotation>")
    return home


def _entry(name, level):
    return {"name": SYNONYMS[name], "name_ndx": INDICES[name], "parts": {"part_level": level}}


def _polygon(box):
    x0, y0, x1, y1 = box
    corners = [(x0, y0), (x1 - 1, y0), (x1 - 1, y1 - 1), (x0, y1 - 1)]
    return f"<polygon>{''.join(f'<pt><x>{x}</x><y>{y}</y></pt>' for x, y in corners)}</polygon>"


def _save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
