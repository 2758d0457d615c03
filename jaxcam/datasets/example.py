"""What a data set is: a sequence of examples, each an image with its label and its boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from jaxcam.records import Record


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled photo, not yet read.

    Attributes:
        path: the image file, or the record that holds it.
        label: index into the data set's classes.
        boxes: ground-truth boxes of that class, half-open (x0, y0, x1, y1) in pixels of the file; () where unknown.
        masks: image files that show where objects of that class are, one each; () where unknown.
        ignored: the image file that shows which pixels are not to be scored, unless an object's mask shows them too.

    >>> Example(Path("cat.jpg"), 3, ((0.0, 10.0, 64.0, 59.0),)).label
    3
    """

    path: Path | Record
    label: int
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    masks: tuple[Path | Record, ...] = ()
    ignored: Path | Record | None = None


@dataclass(frozen=True, repr=False)
class Dataset(Sequence[Example]):
    """A labelled image set: `dataset[i]` is an Example, `dataset[a:b]` a smaller Dataset of the same classes.

    Attributes:
        examples: in a fixed order.
        classes: readable names, unique where there are no ids; an example's label is an index into them.
        class_ids: WordNet ids in the same order, or () where there are none.
        split: the part it was read from ("train", "val", ...), "" where there is only one.
        skipped: the files that were left out, and why, a sentence each; of the whole set, in every part of it too.

    Raises:
        ValueError: if the ids and names differ in number, what tells classes apart is repeated, or a label is no index
            into the names.

    >>> Dataset((Example(Path("a.jpg"), 0), Example(Path("b.jpg"), 1)), ("cat", "dog"))
    Dataset(2 images, 2 classes)
    """

    examples: tuple[Example, ...]
    classes: tuple[str, ...]
    class_ids: tuple[str, ...] = ()
    split: str = ""
    skipped: tuple[str, ...] = ()

    def __post_init__(self):
        if self.class_ids and len(self.class_ids) != len(self.classes):
            raise ValueError(f"class_ids: got {len(self.class_ids)} for {len(self.classes)} classes; give one a class")
        known = self.class_ids or self.classes
        if len(set(known)) != len(known):
            repeated = sorted({name for name in known if known.count(name) > 1})
            raise ValueError(
                f"classes: got {', '.join(repeated)} more than once; give each class a name, or an id, of its own"
            )
        for example in self.examples:
            if not 0 <= example.label < len(self.classes):
                raise ValueError(
                    f"{example.path}: got label {example.label} of {len(self.classes)} classes; labels count from 0"
                )

    def __len__(self) -> int:
        return len(self.examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> "Dataset": ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return replace(self, examples=self.examples[index])
        return self.examples[index]

    def __repr__(self) -> str:
        split = f"{self.split}, " if self.split else ""
        return f"Dataset({split}{len(self)} images, {len(self.classes)} classes)"

    def spread(self, count: int) -> "Dataset":
        """`count` examples evenly spaced over the set, always the same: over the classes, where it is sorted by class.

        Args:
            count: how many, at least 1; the whole set where it has no more.

        >>> dataset = Dataset(tuple(Example(Path("photo.jpg"), label) for label in range(9)), tuple("abcdefghi"))
        >>> [example.label for example in dataset.spread(3)]
        [1, 4, 7]
        """
        if count < 1:
            raise ValueError(f"count: got {count}; give at least 1 image")
        if count >= len(self):
            return self
        # The middle of each of `count` equal parts.
        middles = ((2 * part + 1) * len(self) // (2 * count) for part in range(count))
        return replace(self, examples=tuple(self.examples[index] for index in middles))

    def without(self, unreadable: Mapping[Path | Record, str]) -> "Dataset":
        """The set without some of its files, which `skipped` then lists.

        Args:
            unreadable: why, by the `path` of an example, as the findings of `jaxcam.datasets.inspect` have it.

        >>> dataset = Dataset((Example(Path("a.jpg"), 0), Example(Path("b.jpg"), 1)), ("cat", "dog"))
        >>> dataset.without({Path("b.jpg"): "b.jpg: no such file"}).skipped
        ('b.jpg: no such file',)
        """
        left = tuple(example for example in self.examples if example.path not in unreadable)
        reasons = (unreadable[example.path] for example in self.examples if example.path in unreadable)
        return replace(self, examples=left, skipped=(*self.skipped, *reasons))
