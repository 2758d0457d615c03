"""SUN397: scenes of 397 categories, with ten published pairs of lists of 50 images a class to train on and 50 to test.

Xiao et al., "SUN Database: Large-scale Scene Recognition from Abbey to Zoo", CVPR 2010.
"""

import os
from pathlib import Path

from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.lists import numbered_lines

GIVE = "the folder that holds Partitions (with ClassName.txt, Training_01.txt ... Testing_10.txt) and SUN397"


def sun397(data_dir: str | os.PathLike[str], *, split: str = "Testing_01") -> Dataset:
    """List one of the published lists of SUN397, unpacked as it is distributed.

    Args:
        data_dir: the folder that holds `Partitions` and `SUN397`, or the contents of both of them.
        split: the name of a list, "Training_01" to "Testing_10".

    Returns:
        A Dataset in the order of the list; "/a/apartment_building/outdoor" is named "apartment building outdoor". No
        image is opened.

    Raises:
        ValueError: for a missing or malformed list, or an image of a category that ClassName.txt lacks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "ClassName.txt").write_text("/a/abbey\\n/z/zoo\\n")
    ...     _ = Path(home, "Testing_01.txt").write_text("/z/zoo/sun_a.jpg\\n")
    ...     sun397(home)[0].label
    1

    Source: https://vision.princeton.edu/projects/2010/SUN/
    """
    root = Path(data_dir)
    lists = root / "Partitions" if (root / "Partitions").is_dir() else root
    photos = root / "SUN397" if (root / "SUN397").is_dir() else root
    categories = [line.strip() for _, line in numbered_lines(lists / "ClassName.txt", give=GIVE)]
    labels = {category: label for label, category in enumerate(categories)}
    examples = []
    path = lists / f"{split}.txt"
    for number, line in numbered_lines(path, give=GIVE):
        category = f"/{line.strip().strip('/')}".rpartition("/")[0]
        if category not in labels:
            raise ValueError(f"{path}, line {number}: got category {category!r}, which ClassName.txt does not list")
        examples.append(Example(photos / line.strip().lstrip("/"), labels[category]))
    return Dataset(tuple(examples), tuple(map(scene_name, categories)), split=split)


def scene_name(category: str) -> str:
    """A category's readable name.

    >>> scene_name("/a/apartment_building/outdoor")
    'apartment building outdoor'
    """
    letter, _, name = category.strip("/").partition("/")
    return (name or letter).replace("/", " ").replace("_", " ")
