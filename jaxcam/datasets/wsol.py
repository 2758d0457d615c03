"""Lists in the format of the WSOL benchmark, over images that lie anywhere.

Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, arXiv 2001.07437.
"""

import os
from collections import defaultdict
from pathlib import Path

from jaxcam.class_names import names_of_labels
from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.folder import EXTENSIONS
from jaxcam.datasets.lists import half_open, integer, numbered_fields, numbered_lines

GIVE = "the folder that holds image_ids.txt, class_labels.txt and localization.txt"


def wsol(
    data_dir: str | os.PathLike[str],
    *,
    split: str | None = None,
    images: str | os.PathLike[str] | None = None,
    masks: str | os.PathLike[str] | None = None,
    num_classes: int | None = None,
) -> Dataset:
    """List a data set by the benchmark's metadata.

    `image_ids.txt` has a path a line, `class_labels.txt` "path,label", and `localization.txt`, which may be missing,
    "path,x0,y0,x1,y1" for every box: 0-based and inclusive; here they are half-open, (x0, y0, x1 + 1, y1 + 1). Or it
    has "path,mask,ignored mask" for every object, the last of them once an image and else left empty.

    Args:
        data_dir: the folder that holds the lists, or those of the splits.
        split: the name of a split's folder ("train", "val", "test"); None where the lists lie in `data_dir` itself.
        images: the folder that the paths start from; `data_dir` where None.
        masks: the folder that the paths of the masks start from; that of the images where None.
        num_classes: where not every class has an image; by default one more than the highest label.

    Returns:
        A Dataset in the order of `image_ids.txt`. The lists hold no names: 1000 classes are taken for ILSVRC's in the
        order of their WordNet ids, others are "class 0", "class 1", ... No image is opened.

    Raises:
        ValueError: for a missing or malformed file: which one, and in which line.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = pathlib.Path(home, "image_ids.txt").write_text("a.jpg\\n")
    ...     _ = pathlib.Path(home, "class_labels.txt").write_text("a.jpg,1\\n")
    ...     _ = pathlib.Path(home, "localization.txt").write_text("a.jpg,0,0,9,4\\n")
    ...     wsol(home, images="photos")[0].boxes
    ((0.0, 0.0, 10.0, 5.0),)

    Source: https://github.com/clovaai/wsolevaluation
    """
    folder = Path(data_dir) if split is None else Path(data_dir, split)
    root = Path(data_dir if images is None else images)
    labels = _labels(folder / "class_labels.txt")
    boxes, files, ignored = _truth(folder / "localization.txt", root if masks is None else Path(masks))
    count = max(labels.values(), default=-1) + 1 if num_classes is None else num_classes
    if count < 1:
        raise ValueError(f"num_classes: got {count}; expected at least 1, and a label in {folder / 'class_labels.txt'}")
    examples = []
    for number, line in numbered_lines(folder / "image_ids.txt", give=GIVE):
        name = line.strip()
        if name not in labels:
            raise ValueError(f"{folder / 'image_ids.txt'}, line {number}: {name} is not in class_labels.txt")
        seen, hidden = tuple(files.get(name, ())), ignored.get(name)
        examples.append(Example(root / name, labels[name], tuple(boxes.get(name, ())), seen, hidden))
    listed = {example.path for example in examples}
    if unknown := next((name for name in (*boxes, *files) if root / name not in listed), None):
        where = f"{folder / 'localization.txt'}: {unknown} is not in {folder / 'image_ids.txt'}"
        raise ValueError(f"{where}; give both the same names")
    names, ids = names_of_labels(count)
    return Dataset(tuple(examples), names, ids, split or "")


def _labels(path: Path) -> dict[str, int]:
    fields = numbered_fields(path, 2, give=GIVE, separator=",")
    return {name: integer(label, f"{path}, line {number}") for number, (name, label) in fields}


def _truth(path: Path, root: Path) -> tuple[dict[str, list], dict[str, list[Path]], dict[str, Path]]:
    """The boxes, the masks and the ignored mask of each image."""
    boxes, masks = defaultdict(list), defaultdict(list)
    ignored: dict[str, Path] = {}
    for number, line in numbered_lines(path, give=GIVE) if path.is_file() else ():
        where, text = f"{path}, line {number}", line.strip()
        name, *files = text.rsplit(",", 2)
        # Names may hold commas: the number of fields does not tell one kind of line from the other.
        if len(files) == 2 and _is_image(files[0]) and (files[1] == "" or _is_image(files[1])):
            masks[name].append(root / files[0])
            if files[1] and ignored.setdefault(name, root / files[1]) != root / files[1]:
                raise ValueError(f"{where}: got another ignored mask of {name}; give one an image")
            continue
        name, *corners = text.rsplit(",", 4)
        if len(corners) != 4:
            raise ValueError(f"{where}: got {text!r}; expected path,x0,y0,x1,y1 or path,mask,ignored mask")
        boxes[name].append(half_open(corners, where))
    return boxes, masks, ignored


def _is_image(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)
