"""ADE20K with its scene categories and the masks of its objects, as the full data set is distributed.

Zhou et al., "Semantic Understanding of Scenes through the ADE20K Dataset", International Journal of Computer Vision
127, 2019, arXiv 1608.05442.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from jaxcam.datasets.scenes import Objects, Scenes, check_size, scenes_below
from jaxcam.image_files import read_image, read_size

INDEX = "index_ade20k.mat"


def ade20k(data_dir: str | os.PathLike[str], *, split: str | None = None) -> Scenes:
    """List the photos of ADE20K with their objects, of the version of 2021 or of those of 2016 and 2017.

    `<photo>_seg.png` tells the class of the object at each pixel, floor(R / 10) * 256 + G, 0 for none; B tells its
    instances apart and is not read. The names are those of the objects in `<photo>.json` ("name_ndx" and "name", whose
    "part_level" is 0); without that file, which came in 2021, those of "objectnames" in `index_ade20k.mat`, counted
    from 1. Of a name's synonyms the first is taken. Parts of objects (`_parts_N.png`), the occluded pixels of instances
    (`<photo>/instance_*.png`) and the attributes (`_atr.txt`) are not read.

    Args:
        data_dir: the folder that holds `images`.
        split: "training", the default, or "validation".

    Returns:
        Scenes; a category is the path of its folder, without the letter before it: "urban/street" for
        `images/ADE/training/urban/street`, "church/indoor" for `images/training/c/church/indoor`.

    Raises:
        ValueError: for a missing folder or index, or photos without categories, as those of the challenge have.

    Source: https://github.com/CSAILVision/ADE20K
    """
    split = split or "training"
    roots = [Path(data_dir, *inner, split) for inner in (("images", "ADE"), ("images",), ())]
    root = next((root for root in roots if root.is_dir()), None)
    if root is None:
        raise ValueError(f"{data_dir}: got none of {', '.join(map(str, roots))}; give the folder that holds images")
    photos = sorted(root.rglob("*.jpg"))
    old = any(not photo.with_suffix(".json").is_file() for photo in photos)
    index = Path(data_dir, INDEX)
    names = _index_names(index, photos[0]) if old and photos else {}
    return scenes_below(root, photos, [Segmentation(photo, names, index) for photo in photos])


@dataclass(frozen=True)
class Segmentation(Objects):
    """The objects of one photo of ADE20K.

    Attributes:
        photo: its file, which the others lie beside.
        names: by class index, where no JSON file lies there.
        index: the file that the names are from.
    """

    photo: Path
    names: Mapping[int, str] = field(repr=False)
    index: Path

    def masks(self, size: tuple[int, int]) -> Iterator[tuple[str, Bool[np.ndarray, "h w"]]]:
        """Where each class of objects is."""
        path, names = self._file(), self._names()
        colours = read_image(path).astype(np.int32)
        check_size(path, colours.shape[:2], size)
        classes = colours[..., 0] // 10 * 256 + colours[..., 1]
        found = [int(index) for index in np.unique(classes) if index]
        unknown = [index for index in found if index not in names]
        if unknown:
            raise ValueError(f"{path}: got object class {unknown[0]}, which has no name; is it of another version?")
        # Two indices may share their first synonym.
        for name in dict.fromkeys(names[index] for index in found):
            yield name, np.isin(classes, [index for index in found if names[index] == name])

    def check(self, size: tuple[int, int]) -> bool:
        """Whether there is a file of masks, by its header and the names."""
        path = self._file()
        if not path.is_file():
            return False
        check_size(path, read_size(path), size)
        return bool(self._names())

    def paths(self) -> tuple[Path, ...]:
        """The file of masks, and those of names."""
        return self._file(), self._json(), self.index

    def _file(self) -> Path:
        return self.photo.with_name(f"{self.photo.stem}_seg.png")

    def _json(self) -> Path:
        return self.photo.with_suffix(".json")

    def _names(self) -> Mapping[int, str]:
        path = self._json()
        if not path.is_file():
            return self.names
        try:
            objects = json.loads(path.read_text(encoding="utf-8", errors="replace"))["annotation"]["object"]
            whole = [entry for entry in objects if int(entry["parts"]["part_level"]) == 0]
            return {int(entry["name_ndx"]): _first(entry["name"]) for entry in whole}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: not the objects of a photo of ADE20K: {error!r}") from error


def _index_names(path: Path, photo: Path) -> dict[int, str]:
    """The names of the object classes by their index, from 1."""
    from scipy.io import loadmat

    if not path.is_file():
        raise ValueError(
            f"{path}: no such file, and no {photo.stem}.json beside {photo}; give the folder that holds {INDEX}, "
            "which names the objects of the versions before 2021"
        )
    try:
        names = np.atleast_1d(loadmat(path, squeeze_me=True, variable_names=["index"])["index"]["objectnames"].item())
        return {index: _first(str(name)) for index, name in enumerate(names, start=1)}
    # The reader meets broken bytes with whatever error comes first.
    except Exception as error:
        raise ValueError(f"{path}: not the index of ADE20K: {error!r}") from error


def _first(name: str) -> str:
    return name.partition(",")[0].strip()
