"""Street View Text: photos of streets in which words are boxed, 100 to train on and 249 to evaluate.

Wang and Belongie, "Word Spotting in the Wild", ECCV 2010. Only names of businesses nearby are boxed: there is more text
in the photos than in the boxes.
"""

import os
from collections.abc import Iterator
from functools import partial
from math import isfinite
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from jaxcam.datasets.damage import collect
from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.safe_xml import read_xml
from jaxcam.image_files import read_size

Box = tuple[float, float, float, float]


def svt(path: str | os.PathLike[str], *, on_error: str = "stop") -> Dataset:
    """List the photos that an XML file of SVT names, with the boxes of their words.

    The file holds `<tagset>`, and in it for every photo `<image>` with `<imageName>`, a path that starts from the
    file's own folder, `<Resolution x= y=>` and any number of `<taggedRectangle x= y= width= height=>`. A rectangle is
    the half-open box (x, y, x + width, y + height). What of it lies outside of its photo is cut off; one that is empty
    or lies outside as a whole is left out; `skipped` tells of both.

    Args:
        path: `train.xml` or `test.xml`.
        on_error: at a photo that is missing, unreadable, of another size than the file says or has a box of no
            numbers, "stop", or "skip" it, which `skipped` tells too.

    Returns:
        A Dataset of one class, "text", in the file's order, a box a word. The words themselves are not kept.

    Raises:
        ValueError: for a file that is missing, is no such XML, or declares a document type or entities, by which a
            small file grows without bounds; or for a photo, as above.

    >>> import tempfile
    >>> from PIL import Image
    >>> word = '<taggedRectangle height="10" width="20" x="5" y="30"><tag>CAFE</tag></taggedRectangle>'
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Image.new("RGB", (64, 48)).save(f"{home}/a.jpg")
    ...     text = f"<tagset><image><imageName>a.jpg</imageName>{word}</image></tagset>"
    ...     _ = Path(home, "test.xml").write_text(text)
    ...     svt(f"{home}/test.xml")[0].boxes
    ((5.0, 30.0, 25.0, 40.0),)

    Source: http://vision.ucsd.edu/~kai/svt/
    """
    path = Path(path)
    tree = read_xml(path, give="train.xml or test.xml of SVT")
    entries = tree.findall("image")
    if tree.tag != "tagset" or not entries:
        raise ValueError(f"{path}: got <{tree.tag}> with {len(entries)} <image>; expected SVT's <tagset> with photos")
    names = [entry.findtext("imageName", "").strip() for entry in entries]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"{path}: names {', '.join(map(repr, repeated[:3]))} more than once; give each photo one entry"
        )
    cut: list[str] = []
    makers = (partial(_example, path, name, entry, cut) for name, entry in zip(names, entries, strict=True))
    examples, skipped = collect(makers, on_error=on_error)
    return Dataset(examples, ("text",), split=path.stem, skipped=(*skipped, *cut))


def _example(path: Path, name: str, entry: ET.Element, cut: list[str]) -> Example:
    """One photo and its words; what happened to boxes that reach outside is added to `cut`."""
    inside = PurePosixPath(name)
    if not name or inside.is_absolute() or ".." in inside.parts:
        raise ValueError(f"{path}: got imageName {name!r}; expected a path below the file's own folder")
    photo = path.parent / inside
    if not photo.is_file():
        raise ValueError(f"{photo}: no such file, but {path.name} names it")
    height, width = read_size(photo)
    stated = entry.find("Resolution")
    if stated is not None and (stated.get("x"), stated.get("y")) != (str(width), str(height)):
        raise ValueError(
            f"{photo}: has {width} x {height} pixels, but {path.name} says {stated.get('x')} x {stated.get('y')}; "
            "give the photos that its boxes are of"
        )
    boxes = []
    for where, box in _rectangles(f"{path}, {name}", entry):
        x0, x1 = (min(max(side, 0.0), float(width)) for side in box[::2])
        y0, y1 = (min(max(side, 0.0), float(height)) for side in box[1::2])
        there = x0 < x1 and y0 < y1
        if there:
            boxes.append((x0, y0, x1, y1))
        if (x0, y0, x1, y1) != box or not there:
            done = "cut to the photo" if there else "left out"
            cut.append(f"{where}: box {' '.join(f'{side:g}' for side in box)} of {width} x {height} pixels {done}")
    return Example(photo, 0, tuple(boxes))


def _rectangles(where: str, entry: ET.Element) -> Iterator[tuple[str, Box]]:
    for number, rectangle in enumerate(entry.iter("taggedRectangle"), start=1):
        fields = {name: rectangle.get(name) for name in ("x", "y", "width", "height")}
        try:
            x, y, width, height = (float(field or "") for field in fields.values())
        except ValueError:
            x = y = width = height = float("nan")
        if not all(map(isfinite, (x, y, width, height))):
            raise ValueError(f"{where}, word {number}: got {fields}; expected numbers")
        yield f"{where}, word {number}", (x, y, x + width, y + height)
