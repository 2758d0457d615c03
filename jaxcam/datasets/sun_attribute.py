"""The SUN Attribute Database: 14340 scenes with the votes of three people on each of 102 attributes.

Patterson et al., "The SUN Attribute Database: Beyond Categories for Deeper Scene Understanding", IJCV 108, 2014.
"""

import os
from pathlib import Path

import numpy as np

from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.sun397 import scene_name

VOTES = 0.5  # more than this share of them: two of three
FILES = {"images.mat": "images", "attributes.mat": "attributes", "attributeLabels_continuous.mat": "labels_cv"}


def sun_attribute(data_dir: str | os.PathLike[str]) -> tuple[Dataset, dict[str, tuple[int, ...]]]:
    """List the SUN Attribute Database, unpacked as it is distributed.

    Args:
        data_dir: the folder that holds `SUNAttributeDB` (with `images.mat`, `attributes.mat` and
            `attributeLabels_continuous.mat`) and `images`, or the contents of the first of them and `images`.

    Returns:
        The Dataset, whose classes are the scenes' categories, in the order of `images.mat`; and for each attribute the
        places in it of the images that have it by two votes of three at least. No image is opened.

    Raises:
        ValueError: for a file that is missing, no .mat file, or of another shape than the others.

    Source: https://cs.brown.edu/~gmpatter/sunattributes.html
    """
    root = Path(data_dir)
    home = root / "SUNAttributeDB" if (root / "SUNAttributeDB").is_dir() else root
    cells, attributes, votes = (_matrix(home / name, variable) for name, variable in FILES.items())
    names, photos = [_text(cell) for cell in attributes.ravel()], [_text(cell).lstrip("/") for cell in cells.ravel()]
    if votes.shape != (len(photos), len(names)):
        raise ValueError(
            f"{home / 'attributeLabels_continuous.mat'}: got votes of shape {votes.shape}; expected "
            f"{(len(photos), len(names))}, the images of images.mat and the attributes of attributes.mat"
        )
    folder = next((path for path in (root / "images", home / "images") if path.is_dir()), root)
    categories = [photo.rpartition("/")[0] for photo in photos]
    labels = {category: label for label, category in enumerate(sorted(set(categories)))}
    examples = (Example(folder / photo, labels[name]) for photo, name in zip(photos, categories, strict=True))
    dataset = Dataset(tuple(examples), tuple(map(scene_name, labels)))
    return dataset, {
        name: tuple(np.flatnonzero(column > VOTES).tolist()) for name, column in zip(names, votes.T, strict=True)
    }


def _matrix(path: Path, variable: str) -> np.ndarray:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise ValueError(f"{path}: no such file; give the folder that holds SUNAttributeDB and images")
    try:
        return np.asarray(loadmat(path)[variable])
    except (MatReadError, KeyError, ValueError, NotImplementedError, OSError) as error:
        raise ValueError(f"{path}: got no MATLAB file with a variable {variable!r} ({error})") from error


def _text(cell: object) -> str:
    """What a cell holds: MATLAB nests them in arrays of one."""
    while isinstance(cell, np.ndarray):
        cell = cell.ravel()[0]
    return str(cell)
