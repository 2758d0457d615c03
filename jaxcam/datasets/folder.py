"""A plain folder with a folder of photos for each class."""

import os
from pathlib import Path

from jaxcam.datasets.example import Dataset, Example

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def folder(data_dir: str | os.PathLike[str], *, split: str | None = None) -> Dataset:
    """List the photos of `data_dir/<class>/`, or of `data_dir/<split>/<class>/`.

    Classes are the folders' names, sorted; so are the photos of each. Hidden and other files are left out.

    Args:
        data_dir: the folder of class folders, or of splits.
        split: the name of a split's folder; None where the classes lie in `data_dir` itself.

    Returns:
        A Dataset without boxes or class ids. No image is opened.

    Raises:
        ValueError: if the folder is missing, holds no class folder, or a class folder holds no image.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("cat/1.jpg", "cat/2.jpg", "dog/1.png"):
    ...         file = Path(home, name)
    ...         file.parent.mkdir(exist_ok=True)
    ...         file.touch()
    ...     folder(home).classes
    ('cat', 'dog')
    """
    root = Path(data_dir) if split is None else Path(data_dir, split)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; give a folder that holds one folder of photos for each class")
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise ValueError(f"{root}: got no class folder; expected one folder of photos for each class")
    examples = [
        Example(root / name / photo, label)
        for label, name in enumerate(classes)
        for photo in _photos(root / name)
    ]  # fmt: skip
    return Dataset(tuple(examples), tuple(classes), split=split or "")


def _photos(class_folder: Path) -> list[str]:
    names = [entry.name for entry in class_folder.iterdir() if not entry.name.startswith(".")]
    photos = sorted(name for name in names if name.lower().endswith(EXTENSIONS))
    if not photos:
        inner = any(entry.is_dir() for entry in class_folder.iterdir())
        hint = f"give split={class_folder.name!r}" if inner else f"expected {', '.join(EXTENSIONS)}"
        raise ValueError(f"{class_folder}: got no image in this class folder; {hint}")
    return photos
