"""Photos of scenes with the outlines of the objects in them: what its readers give, and the plain folder of masks."""

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from tqdm import tqdm

from jaxcam.datasets.damage import check_on_error
from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.folder import EXTENSIONS, folder
from jaxcam.image_files import read_mask, read_size

THREADS = 8
SHOWN = 5  # of what is wrong, by name


class Objects(ABC):
    """The outlined objects of one photo, not yet read."""

    @abstractmethod
    def masks(self, size: tuple[int, int]) -> Iterator[tuple[str, Bool[np.ndarray, "h w"]]]:
        """Each object's name, once, with the pixels of all that are called so.

        Args:
            size: (height, width) of the photo's file, in pixels.

        Raises:
            ValueError: for a file that cannot be read, or is of another size: which one, and why.
        """

    @abstractmethod
    def check(self, size: tuple[int, int]) -> bool:
        """Whether there is any object, by what can be told without decoding an image; raises as `masks` does."""

    @abstractmethod
    def paths(self) -> tuple[Path, ...]:
        """The files that they are read from, whether these are there or not."""


@dataclass(frozen=True)
class MaskFiles(Objects):
    """An image file for each object, which is where that is not black.

    Attributes:
        files: names and files; several of one name are one object's instances.
    """

    files: tuple[tuple[str, Path], ...]

    def masks(self, size: tuple[int, int]) -> Iterator[tuple[str, Bool[np.ndarray, "h w"]]]:
        """The union of the masks of each name."""
        for name in dict.fromkeys(name for name, _ in self.files):
            union = np.zeros(size, bool)
            for path in (path for named, path in self.files if named == name):
                mask = read_mask(path)
                check_size(path, mask.shape, size)
                union |= mask
            yield name, union

    def check(self, size: tuple[int, int]) -> bool:
        """By the headers."""
        for _, path in self.files:
            check_size(path, read_size(path), size)
        return bool(self.files)

    def paths(self) -> tuple[Path, ...]:
        """Those of the masks."""
        return tuple(path for _, path in self.files)


@dataclass(frozen=True)
class Scenes:
    """Photos by scene category, and the objects in each.

    Attributes:
        dataset: the photos; their classes are the scene categories.
        objects: those of each photo, in the same order.

    >>> Scenes(Dataset((Example(Path("a.jpg"), 0),), ("kitchen",)), (MaskFiles((("oven", Path("oven.png")),)),)).counts
    {'kitchen': 1}
    """

    dataset: Dataset
    objects: tuple[Objects, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Photos of each category."""
        counted = Counter(example.label for example in self.dataset)
        return {name: counted[label] for label, name in enumerate(self.dataset.classes)}

    def of(self, categories: Sequence[str] = (), *, least: int = 2) -> "Scenes":
        """The photos of some categories alone; the others are no longer classes.

        Args:
            categories: their names; () for all.
            least: leave out those with fewer photos, and tell so in the data set's `skipped`.

        Raises:
            ValueError: for an unknown category, or where fewer than two remain.
        """
        counts = self.counts
        unknown = [name for name in categories if name not in counts]
        if unknown:
            raise ValueError(f"category: got {', '.join(unknown)}; known are {', '.join(counts)}")
        wanted = [name for name in counts if not categories or name in categories]
        left = [name for name in wanted if counts[name] >= least]
        if len(left) < 2:
            told = ", ".join(f"{name} ({counts[name]})" for name in wanted)
            raise ValueError(
                f"scenes: got {len(left)} categories with at least {least} annotated photos, of {told}; give 2 or "
                "more, for what tells one scene from others"
            )
        small = tuple(f"{name}: got {counts[name]} annotated photos" for name in wanted if name not in left)
        labels = {self.dataset.classes.index(name): label for label, name in enumerate(left)}
        kept = [index for index, example in enumerate(self.dataset) if example.label in labels]
        examples = [self.dataset[index] for index in kept]
        return Scenes(
            replace(
                self.dataset,
                examples=tuple(replace(example, label=labels[example.label]) for example in examples),
                classes=tuple(left),
                skipped=(*self.dataset.skipped, *small),
            ),
            tuple(self.objects[index] for index in kept),
        )

    def checked(self, *, on_error: str = "stop", progress: bool = True) -> "Scenes":
        """The photos that have objects, after a look at every file's header; `skipped` tells of the others.

        Args:
            on_error: at a file that cannot be read, or a mask of another size than its photo, "stop" or "skip" it.
            progress: show it on stderr.

        Raises:
            ValueError: for such files, all at once, or where nothing is left.
        """
        check_on_error(on_error)
        bar = tqdm(total=len(self.objects), desc="inspecting", unit=" images", disable=None if progress else True)
        with ThreadPoolExecutor(THREADS) as pool, bar:
            wrong = []
            for answer in pool.map(_wrong, self.dataset, self.objects):
                wrong.append(answer)
                bar.update()
        broken = [why for why, fault in wrong if fault]
        if broken and on_error == "stop":
            more = f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
            raise ValueError(
                f"scenes: {len(broken)} photos whose files cannot be used: {'; '.join(broken[:SHOWN])}{more}; "
                'on_error "skip" leaves them out'
            )
        left = [index for index, (why, _) in enumerate(wrong) if not why]
        if not left:
            raise ValueError(f"scenes: got no photo with objects among {len(wrong)}, such as {wrong[0][0]}")
        return Scenes(
            replace(
                self.dataset,
                examples=tuple(self.dataset[index] for index in left),
                skipped=(*self.dataset.skipped, *(why for why, _ in wrong if why)),
            ),
            tuple(self.objects[index] for index in left),
        )


def scene_folder(
    data_dir: str | os.PathLike[str], *, masks: str | os.PathLike[str], split: str | None = None
) -> Scenes:
    """List the photos of `data_dir/<scene>/<photo>.jpg` with the masks of `masks/<scene>/<photo>/<object>[.N].png`.

    Every mask has the size of its photo; the object is where it is not black. N tells instances of one object apart:
    `chair.png`, `chair.1.png` and `chair.2.png` are chairs. An underscore in a name stands for a blank.

    Args:
        data_dir: the folder of a folder of photos for each scene category.
        masks: the folder of the masks.
        split: a folder of `data_dir`, and of `masks`, that the categories lie in; None where they lie there themselves.

    Returns:
        Scenes; photos without masks have no objects. No image is opened.

    Raises:
        ValueError: if a folder is missing, a category holds no image, or two photos of one differ by their suffix only.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("photos/kitchen/1.jpg", "photos/street/1.jpg", "masks/kitchen/1/oven.png"):
    ...         file = Path(home, name)
    ...         file.parent.mkdir(parents=True)
    ...         file.touch()
    ...     [len(objects.files) for objects in scene_folder(f"{home}/photos", masks=f"{home}/masks").objects]
    [1, 0]
    """
    photos = folder(data_dir, split=split)
    root = Path(masks) if split is None else Path(masks, split)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; give the one that holds <scene>/<photo>/<object>.png")
    stems = Counter((example.label, _name(example)) for example in photos)
    twice = [f"{photos.classes[label]}/{stem}" for (label, stem), count in stems.items() if count > 1]
    if twice:
        raise ValueError(f"{data_dir}: got several photos called {twice[0]}, with one folder of masks; rename them")
    objects = tuple(_mask_files(root / photos.classes[example.label] / _name(example)) for example in photos)
    return Scenes(photos, objects)


def scenes_below(root: Path, photos: Sequence[Path], objects: Sequence[Objects]) -> Scenes:
    """Photos whose categories are the folders below `root` that they lie in, "church/indoor" for c/church/indoor.

    Raises:
        ValueError: for no photo, or one that lies in `root` itself.
    """
    names = [_category(root, photo) for photo in photos]
    if not names or "" in names:
        found = "photos in no folder of a scene category" if names else "no photo"
        raise ValueError(f"{root}: got {found}; expected <scene>/<photo>.jpg, or <letter>/<scene>/<photo>.jpg")
    classes = tuple(sorted(set(names)))
    labels = {name: label for label, name in enumerate(classes)}
    examples = (Example(photo, labels[name]) for photo, name in zip(photos, names, strict=True))
    return Scenes(Dataset(tuple(examples), classes), tuple(objects))


def check_size(path: Path, found: tuple[int, ...], size: tuple[int, int]) -> None:
    """Refuse a mask of another (height, width) than its photo."""
    if tuple(found) != tuple(size):
        raise ValueError(
            f"{path}: got {found[1]} x {found[0]} pixels for a photo of {size[1]} x {size[0]}; give it the same size"
        )


def _wrong(example: Example, objects: Objects) -> tuple[str, bool]:
    """Why a photo cannot be used, "" where it can, and whether that is a fault."""
    try:
        return ("", False) if objects.check(read_size(example.path)) else (f"{example.path}: no masks", False)
    except ValueError as error:
        return str(error), True


def _mask_files(home: Path) -> MaskFiles:
    found = sorted(home.iterdir()) if home.is_dir() else []
    files = [path for path in found if path.name.lower().endswith(EXTENSIONS) and not path.name.startswith(".")]
    return MaskFiles(tuple((_object(path.stem), path) for path in files))


def _object(stem: str) -> str:
    """Of "coffee_table.2" "coffee table"."""
    name, _, number = stem.rpartition(".")
    return (name if name and number.isdecimal() else stem).replace("_", " ")


def _name(example: Example) -> str:
    return Path(str(example.path)).stem


def _category(root: Path, photo: Path) -> str:
    first, *rest = photo.parent.relative_to(root).parts or ("",)
    return "/".join(rest) if len(first) == 1 and rest else "/".join((first, *rest))
