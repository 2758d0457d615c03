"""The data sets that the CAM paper measures features on, each with the rule that it is split by: a line a data set.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 3.3.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from jaxcam.applications.pools import Pool, Rule, join
from jaxcam.datasets import Dataset, folder
from jaxcam.datasets.action40 import action40
from jaxcam.datasets.indoor67 import indoor67
from jaxcam.datasets.sun397 import sun397
from jaxcam.datasets.sun_attribute import sun_attribute

Reader = Callable[[str | os.PathLike[str]], Pool]


@dataclass(frozen=True)
class Benchmark:
    """A line of the table.

    Attributes:
        title: the column's heading.
        read: the data set's folder -> its Pool.
    """

    title: str
    read: Reader


def class_folders(data_dir: str | os.PathLike[str], *, rule: Rule, inside: str, without: str = "") -> Pool:
    """A folder of class folders, or the one that holds it.

    Args:
        data_dir: the folder, or where the archive was unpacked.
        rule: that splits it.
        inside: the folder's name in the archive.
        without: a folder that is no class.

    Raises:
        ValueError: as for `jaxcam.datasets.folder`.
    """
    root = Path(data_dir)
    found = folder(root / inside if (root / inside).is_dir() else root)
    classes = tuple(name for name in found.classes if name != without)
    examples = (
        replace(example, label=classes.index(found.classes[example.label]))
        for example in found
        if found.classes[example.label] != without
    )
    return Pool(Dataset(tuple(examples), classes), rule=rule)


def listed(
    data_dir: str | os.PathLike[str], *, read: Callable[..., Dataset], pairs: tuple[tuple[str, str], ...]
) -> Pool:
    """A data set with published lists, `pairs` of their names."""
    return join([(read(data_dir, split=train), read(data_dir, split=test)) for train, test in pairs])


def attributes(data_dir: str | os.PathLike[str], *, rule: Rule) -> Pool:
    """The SUN Attribute Database."""
    dataset, found = sun_attribute(data_dir)
    return Pool(dataset, rule=rule, attributes=found)


SUN397_LISTS = tuple((f"Training_{number:02}", f"Testing_{number:02}") for number in range(1, 11))
OFFICIAL = (("train", "test"),)

# In the order of the paper's table. Where it does not say how often images were drawn, it is ten times here; for SUN
# Attribute neither lists nor numbers are known: half of each category, five times.
BENCHMARKS: dict[str, Benchmark] = {
    "sun397": Benchmark("SUN397", partial(listed, read=sun397, pairs=SUN397_LISTS)),
    "indoor67": Benchmark("Indoor67", partial(listed, read=indoor67, pairs=OFFICIAL)),
    "scene15": Benchmark("Scene15", partial(class_folders, rule=Rule(100), inside="scene_categories")),
    "sun_attribute": Benchmark("SUN Attr.", partial(attributes, rule=Rule(0.5, splits=5))),
    "caltech101": Benchmark(
        "Caltech101",
        partial(class_folders, rule=Rule(30, 50), inside="101_ObjectCategories", without="BACKGROUND_Google"),
    ),
    "caltech256": Benchmark(
        "Caltech256", partial(class_folders, rule=Rule(60), inside="256_ObjectCategories", without="257.clutter")
    ),
    "action40": Benchmark("Action40", partial(listed, read=action40, pairs=OFFICIAL)),
    "event8": Benchmark("Event8", partial(class_folders, rule=Rule(70, 60), inside="event_img")),
}
