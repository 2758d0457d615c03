"""One pass over a data set's files before the long work: what is missing, damaged or contradicts itself."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from jaxcam.datasets.example import Dataset, Example
from jaxcam.image_files import read_size
from jaxcam.records import Record

THREADS = 8
SHOWN = 5  # of each kind, by name


@dataclass(frozen=True)
class Findings:
    """What `inspect` found; `print` it for the list. True where there is anything.

    Attributes:
        unreadable: image files that are missing or whose header cannot be read, or for which a mask is: why.
        outside: image files of which a box reaches beyond the image.
        empty_classes: classes without images.
    """

    unreadable: dict[Path | Record, str]
    outside: tuple[Path | Record, ...]
    empty_classes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.unreadable or self.outside or self.empty_classes)

    def __str__(self) -> str:
        parts = (
            ("images that cannot be read", list(self.unreadable.values())),
            ("images with a box that reaches outside", list(map(str, self.outside))),
            ("classes without images", list(self.empty_classes)),
        )
        return "\n".join(_listed(what, found) for what, found in parts if found) or "nothing found"


def inspect(dataset: Dataset, *, progress: bool = True) -> Findings:
    """Look at every file of a data set without decoding it: a second for some thousand images.

    Args:
        dataset: which files; their sizes are read from the headers.
        progress: show images a second and the time left on stderr.

    Returns:
        The findings.

    >>> from jaxcam.datasets import Dataset, Example
    >>> print(inspect(Dataset((Example(Path("no/such.jpg"), 0),), ("cat", "dog")), progress=False))
    images that cannot be read (1): no/such.jpg: no such file
    classes without images (1): dog
    """
    counted = Counter(example.label for example in dataset)
    empty = tuple(name for label, name in enumerate(dataset.classes) if not counted[label])
    unreadable, outside = {}, []
    with ThreadPoolExecutor(THREADS) as pool:
        sizes = tqdm(
            pool.map(_size, dataset), "inspecting", len(dataset), unit=" images", disable=None if progress else True
        )
        for example, size in zip(dataset, sizes, strict=True):
            if isinstance(size, str):
                unreadable[example.path] = size
            elif any(x1 > size[1] or y1 > size[0] for _, _, x1, y1 in example.boxes):
                outside.append(example.path)
    return Findings(unreadable, tuple(outside), empty)


def _size(example: Example) -> tuple[int, int] | str:
    """Height and width, or why they, or those of a mask, cannot be read."""
    sizes = []
    for path in (example.path, *example.masks, *([example.ignored] if example.ignored else [])):
        if isinstance(path, Path) and not path.is_file():
            return f"{path}: no such file"
        try:
            sizes.append(read_size(path))
        except ValueError as error:
            return str(error)
    return sizes[0]


def _listed(what: str, found: list[str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{what} ({len(found)}): {'; '.join(found[:SHOWN])}{more}"
