"""All images that the splits of a data set take from, and the splits: published lists, or a rule that draws them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from jaxcam.datasets import Dataset, Example
from jaxcam.records import Record

Places = Int[np.ndarray, "_"]  # of images in a pool


@dataclass(frozen=True)
class Rule:
    """How images are drawn, class by class; a split's number is the seed.

    Attributes:
        train: images of each class to train on; below 1, the share of them.
        test: at most so many of the others to test on; None for all of them.
        splits: how many times.

    >>> Rule(30, 50, 10).told()
    '30 images of each class to train on, at most 50 others to test on; 10 random splits (seeds 0 to 9)'
    """

    train: int | float
    test: int | None = None
    splits: int = 10

    def __post_init__(self):
        if not 0 < self.train < float("inf") or (self.train > 1 and self.train != int(self.train)):
            raise ValueError(f"train: got {self.train}; give a number of images a class, or a share of them below 1")
        if self.splits < 1 or (self.test is not None and self.test < 1):
            raise ValueError(f"splits, test: got {self.splits} and {self.test}; give at least 1")

    def told(self) -> str:
        """The rule in words."""
        train = f"{self.train:.0%} of the" if self.train < 1 else f"{self.train:g}"
        test = "the others" if self.test is None else f"at most {self.test} others"
        random = "1 random split (seed 0)"
        random = random if self.splits == 1 else f"{self.splits} random splits (seeds 0 to {self.splits - 1})"
        return f"{train} images of each class to train on, {test} to test on; {random}"


@dataclass(frozen=True)
class Pool:
    """A data set before it is split.

    Attributes:
        dataset: every image that a split may take.
        lists: published (train, test) places in it.
        rule: that draws splits where there are no lists; None for a data set without either.
        attributes: of images that have several: name -> places of those that have it.
    """

    dataset: Dataset
    lists: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()
    rule: Rule | None = None
    attributes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def splits(self) -> int:
        """How many there are."""
        return len(self.lists) or (self.rule.splits if self.rule else 0)

    def told(self) -> str:
        """How it is split, in words."""
        if self.lists:
            several = f", {len(self.lists)} times" if len(self.lists) > 1 else ""
            return f"its own lists of training and test images{several}"
        return self.rule.told() if self.rule else "no splits"

    def take(self, places: Places) -> Dataset:
        """The images at some places."""
        return replace(self.dataset, examples=tuple(self.dataset[int(place)] for place in places))

    def split(self, number: int, *, usable: Bool[np.ndarray, " n"] | None = None) -> tuple[Places, Places]:
        """The places of the training and of the test images of a split.

        Args:
            number: of the split, from 0.
            usable: False for images that none may take; all are by default.

        Raises:
            ValueError: for a data set without lists or rule, no such split, or a class with too few images.

        >>> dataset = Dataset(tuple(Example(Path(f"{i}.jpg"), i // 3) for i in range(6)), ("cat", "dog"))
        >>> [len(places) for places in Pool(dataset, rule=Rule(2)).split(0)]
        [4, 2]
        """
        usable = np.ones(len(self.dataset), bool) if usable is None else usable
        if not self.splits:
            raise ValueError(
                "splits: the data set has neither lists nor a rule; give --train, the images of a class to train on"
            )
        if not 0 <= number < self.splits:
            raise ValueError(f"split: got {number}; this data set has {self.splits}, counted from 0")
        if not self.lists:
            return self._draw(number, usable)
        train, test = (np.array(places, int) for places in self.lists[number])
        return train[usable[train]], test[usable[test]]

    def _draw(self, seed: int, usable: np.ndarray) -> tuple[Places, Places]:
        assert self.rule is not None
        random = np.random.default_rng(seed)
        trains, tests = [], []
        labels = np.array([example.label for example in self.dataset])
        for label, name in enumerate(self.dataset.classes):
            places = random.permutation(np.flatnonzero((labels == label) & usable))
            share = self.rule.train < 1
            count = round(self.rule.train * len(places)) if share else int(self.rule.train)
            if len(places) and not 0 < count < len(places):
                raise ValueError(f"class {name}: got {len(places)} images, too few for the rule ({self.rule.told()})")
            last = None if self.rule.test is None else count + self.rule.test
            trains.append(places[:count])
            tests.append(places[count:last])
        return np.sort(np.concatenate(trains)), np.sort(np.concatenate(tests))


def join(pairs: Sequence[tuple[Dataset, Dataset]]) -> Pool:
    """The images of several pairs of training and test sets, each once, with the pairs as lists.

    Raises:
        ValueError: for sets of other classes, or an image that a pair has in both.

    >>> cat, dog = Example(Path("cat.jpg"), 0), Example(Path("dog.jpg"), 1)
    >>> sets = [Dataset(examples, ("cat", "dog")) for examples in ((cat,), (dog,))]
    >>> join([(sets[0], sets[1]), (sets[1], sets[0])]).lists
    (((0,), (1,)), ((1,), (0,)))
    """
    first = pairs[0][0]
    places: dict[Path | Record, int] = {}
    examples: list[Example] = []
    lists = []
    for train, test in pairs:
        if train.classes != first.classes:
            raise ValueError(f"train: got {train} of other classes than {first}; give splits of one data set")
        check_pair(train, test)
        for example in (*train, *test):
            if places.setdefault(example.path, len(examples)) == len(examples):
                examples.append(example)
        lists.append((_places(train, places), _places(test, places)))
    skipped = tuple(dict.fromkeys(reason for pair in pairs for part in pair for reason in part.skipped))
    return Pool(replace(first, examples=tuple(examples), split="", skipped=skipped), tuple(lists))


def check_pair(train: Dataset, test: Dataset) -> None:
    """Refuse training and test images that are of other classes, or partly the same.

    >>> cats = Dataset((Example(Path("1.jpg"), 0),), ("cat",))
    >>> check_pair(cats, cats)
    Traceback (most recent call last):
    ValueError: train, test: 1 images are in both, such as 1.jpg; test on others
    """
    if train.classes != test.classes:
        raise ValueError(f"train, test: got {train} and {test} of other classes; give two splits of one data set")
    both = {example.path for example in train} & {example.path for example in test}
    if both:
        raise ValueError(f"train, test: {len(both)} images are in both, such as {min(map(str, both))}; test on others")


def _places(dataset, places):
    return tuple(places[example.path] for example in dataset)


def pool_as_json(pool: Pool) -> dict[str, Any]:
    """A pool as JSON values, boxes and masks left out; `pool_from_json` reads it."""
    return {
        "classes": list(pool.dataset.classes),
        "class_ids": list(pool.dataset.class_ids),
        "images": [[_file_as_json(example.path), example.label] for example in pool.dataset],
        "left_out": list(pool.dataset.skipped),
        "rule": asdict(pool.rule) if pool.rule else None,
        "lists": [[list(part) for part in pair] for pair in pool.lists],
        "attributes": {name: list(places) for name, places in pool.attributes.items()},
    }


def pool_from_json(told: dict[str, Any]) -> Pool:
    """The pool that `pool_as_json` told of.

    >>> pool = Pool(Dataset((Example(Path("/cat.jpg"), 0),), ("cat",)), rule=Rule(3))
    >>> pool_from_json(pool_as_json(pool)) == pool
    True
    """
    images = (Example(_file_from_json(path), label) for path, label in told["images"])
    dataset = Dataset(tuple(images), tuple(told["classes"]), tuple(told["class_ids"]), skipped=tuple(told["left_out"]))
    rule = Rule(**told["rule"]) if told["rule"] else None
    lists = tuple((tuple(train), tuple(test)) for train, test in told["lists"])
    return Pool(dataset, lists, rule, {name: tuple(places) for name, places in told["attributes"].items()})


def _file_as_json(path):
    """The absolute path of an image, or the fields of the record that holds it."""
    if isinstance(path, Path):
        return str(path.resolve())
    return {**asdict(path), "shard": str(path.shard.resolve())}


def _file_from_json(told):
    return Path(told) if isinstance(told, str) else Record(**{**told, "shard": Path(told["shard"])})
