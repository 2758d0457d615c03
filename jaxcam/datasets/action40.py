"""Stanford 40 Actions: people in 40 actions, with lists of 100 images a class to train on and the others to test.

Yao et al., "Human Action Recognition by Learning Bases of Action Attributes and Parts", ICCV 2011.
"""

import os
from pathlib import Path

from jaxcam.datasets.example import Dataset, Example
from jaxcam.datasets.lists import numbered_lines

GIVE = "the folder that holds JPEGImages and ImageSplits"
HEADING = "action_name"


def action40(data_dir: str | os.PathLike[str], *, split: str = "test") -> Dataset:
    """List Stanford 40 Actions, unpacked as it is distributed.

    Args:
        data_dir: the folder that holds `JPEGImages` and `ImageSplits`, with `actions.txt` and two lists an action.
        split: "train" or "test".

    Returns:
        A Dataset in the order of `actions.txt`, whose first line may be a heading, "action_name ..."; "blowing_bubbles"
        is named "blowing bubbles". No image is opened.

    Raises:
        ValueError: for another split, or a missing list.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     lists = Path(home, "ImageSplits")
    ...     lists.mkdir()
    ...     _ = (lists / "actions.txt").write_text("action_name  number_of_images\\nblowing_bubbles  259")
    ...     _ = (lists / "blowing_bubbles_test.txt").write_text("blowing_bubbles_001.jpg\\n")
    ...     action40(home).classes
    ('blowing bubbles',)

    Source: http://vision.stanford.edu/Datasets/40actions.html
    """
    if split not in ("train", "test"):
        raise ValueError(f'split: got {split!r}; use "train" or "test"')
    root, lists = Path(data_dir), Path(data_dir, "ImageSplits")
    actions = [line.split()[0] for _, line in numbered_lines(lists / "actions.txt", give=GIVE)]
    actions = actions[1:] if actions[:1] == [HEADING] else actions
    examples = [
        Example(root / "JPEGImages" / line.strip(), label)
        for label, action in enumerate(actions)
        for _, line in numbered_lines(lists / f"{action}_{split}.txt", give=GIVE)
    ]
    return Dataset(tuple(examples), tuple(action.replace("_", " ") for action in actions), split=split)
