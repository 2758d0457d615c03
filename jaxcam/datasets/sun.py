"""The fully annotated photos of the SUN database, with the polygons of their objects in LabelMe's XML.

Xiao et al., "SUN Database: Large-scale Scene Recognition from Abbey to Zoo", CVPR 2010; Russell et al., "LabelMe: a
Database and Web-based Tool for Image Annotation", International Journal of Computer Vision 77, 2008.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from jaxcam.datasets.safe_xml import read_xml
from jaxcam.datasets.scenes import Objects, Scenes, scenes_below

# What annotators say of how an object shows: no other object.
QUALIFIERS = re.compile(r"( (occluded|crop|cropped))+$")


def sun(data_dir: str | os.PathLike[str], *, split: str | None = None) -> Scenes:
    """List the photos of SUN2012, or of any set of LabelMe's, with their objects.

    The photo `Images/c/church/indoor/x.jpg` has its objects in `Annotations/c/church/indoor/x.xml`, a polygon each.
    Names are taken in lower case, without an "occluded" or "crop" at their end. Deleted objects are left out, and those
    with a painted segment instead of a polygon. A pixel may belong to several objects.

    Args:
        data_dir: the folder that holds `Images` and `Annotations`.
        split: there is none; leave it out.

    Returns:
        Scenes; a category is the path of its folder, without the letter before it: "church/indoor".

    Raises:
        ValueError: for a missing folder, no photo, or a split.

    Source: https://groups.csail.mit.edu/vision/SUN/
    """
    if split is not None:
        raise ValueError(f"split: got {split!r}; SUN2012 comes without splits, leave it out")
    images, notes = Path(data_dir, "Images"), Path(data_dir, "Annotations")
    for folder in (images, notes):
        if not folder.is_dir():
            raise ValueError(f"{folder}: no such folder; give the one that holds Images and Annotations")
    photos = sorted(images.rglob("*.jpg"))
    annotated = [Polygons(notes / photo.relative_to(images).with_suffix(".xml")) for photo in photos]
    return scenes_below(images, photos, annotated)


@dataclass(frozen=True)
class Polygons(Objects):
    """The objects of a photo, outlined in an XML file of LabelMe's."""

    path: Path

    def masks(self, size: tuple[int, int]) -> Iterator[tuple[str, Bool[np.ndarray, "h w"]]]:
        """The pixels inside the polygons of each name; what lies beyond the photo is cut off."""
        outlined = self._read()
        for name in dict.fromkeys(name for name, _ in outlined):
            drawn = Image.new("1", (size[1], size[0]))
            for corners in (corners for named, corners in outlined if named == name):
                ImageDraw.Draw(drawn).polygon(corners, fill=1, outline=1)
            yield name, np.array(drawn)

    def check(self, size: tuple[int, int]) -> bool:
        """Whether there is a file with any polygon."""
        return self.path.is_file() and bool(self._read())

    def paths(self) -> tuple[Path, ...]:
        """The XML file."""
        return (self.path,)

    def _read(self) -> list[tuple[str, list[tuple[float, float]]]]:
        tree, found = read_xml(self.path, give="the Annotations that belong to the Images"), []
        for number, entry in enumerate(tree.iter("object"), start=1):
            name = QUALIFIERS.sub("", " ".join(entry.findtext("name", "").lower().split()))
            corners = [self._corner(point, number) for point in entry.iterfind("polygon/pt")]
            if name and len(corners) > 2 and entry.findtext("deleted", "0").strip() != "1":
                found.append((name, corners))
        return found

    def _corner(self, point: ET.Element, number: int) -> tuple[float, float]:
        x, y = point.findtext("x", ""), point.findtext("y", "")
        try:
            return float(x), float(y)
        except ValueError:
            raise ValueError(f"{self.path}, object {number}: got corner {x!r}, {y!r}; expected two numbers") from None
