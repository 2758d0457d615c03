"""The names of the classes that published networks tell apart, in the order of their scores.

`ilsvrc2012.tsv` has the 1000 classes of ILSVRC 2012 sorted by WordNet id, with the words and the ILSVRC2012_ID of its
development kit (Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015, arXiv 1409.0575);
`places205.txt` the 205 scenes of Places (Zhou et al., "Learning Deep Features for Scene Recognition using Places
Database", NIPS 2014).
"""

import csv
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


def class_names(num_classes: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and WordNet ids: ILSVRC's for 1000 classes, Places205's names for 205, else "class 0", "class 1"...

    The names are those published: a class of ILSVRC has all words of its synset, a scene its path without underscores.
    Two classes are called "crane", and so `class_names(1000)` alone does not tell them apart: their ids do.

    >>> names, ids = class_names(1000)
    >>> ids[0], names[0]
    ('n01440764', 'tench, Tinca tinca')
    >>> class_names(205)[0][13]
    'apartment building/outdoor'
    >>> class_names(2)
    (('class 0', 'class 1'), ())
    """
    if num_classes == 1000:
        return tuple(words for _, _, words in _ilsvrc2012()), tuple(wordnet_id for wordnet_id, _, _ in _ilsvrc2012())
    if num_classes == 205:
        lines = (HERE / "places205.txt").read_text(encoding="utf-8").splitlines()
        return tuple(line.replace("_", " ") for line in lines), ()
    return numbered_classes(num_classes), ()


def names_of_labels(num_classes: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and WordNet ids for a data set that has labels alone: ILSVRC's for 1000, else numbers.

    >>> names_of_labels(205)[0][13]
    'class 13'
    """
    return class_names(1000) if num_classes == 1000 else (numbered_classes(num_classes), ())


def numbered_classes(num_classes: int) -> tuple[str, ...]:
    """The names of classes that have none.

    >>> numbered_classes(2)
    ('class 0', 'class 1')
    """
    return tuple(f"class {index}" for index in range(num_classes))


def distinct_names(names: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """The names, with its id behind each that another class has too, or its index where there are no ids.

    >>> distinct_names(("crane", "tench", "crane"), ("n02012849", "n01440764", "n03126707"))
    ('crane (n02012849)', 'tench', 'crane (n03126707)')
    >>> distinct_names(("crane", "tench", "crane"), ())
    ('crane (0)', 'tench', 'crane (2)')
    """
    times = Counter(names)
    told = ids or range(len(names))
    return tuple(f"{name} ({told[index]})" if times[name] > 1 else name for index, name in enumerate(names))


def comparable(
    names: Sequence[str], ids: Sequence[str], other_names: Sequence[str], other_ids: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """What tells whether a network's classes are those of a data set: ids where both have them, else names.

    Folders may be named by either, so a data set without ids may have the network's as its names.

    Args:
        names: the network's.
        ids: WordNet ids of these, or none.
        other_names: the data set's.
        other_ids: likewise.

    Returns:
        Two sequences, which are equal where the classes are the same in the same order.

    >>> comparable(("tench", "crane"), ("n01440764", "n02012849"), ("n01440764", "n02012849"), ())
    (('n01440764', 'n02012849'), ('n01440764', 'n02012849'))
    """
    if ids and (other_ids or other_names == ids):
        return ids, other_ids or other_names
    return names, other_names


def ilsvrc2012_id(wordnet_id: str) -> int:
    """The number, from 1 to 1000, that the development kit of ILSVRC 2012 gives a class in its files.

    It is another order than that of the scores, which is the order of the WordNet ids.

    >>> ilsvrc2012_id("n02119789")  # kit fox
    1
    """
    numbers = {known: number for known, number, _ in _ilsvrc2012()}
    if wordnet_id not in numbers:
        raise ValueError(f"wordnet_id: got {wordnet_id!r}, none of ILSVRC's 1000; give one such as 'n02119789'")
    return numbers[wordnet_id]


@cache
def _ilsvrc2012() -> tuple[tuple[str, int, str], ...]:
    """WordNet id, ILSVRC2012_ID and words of each class."""
    with (HERE / "ilsvrc2012.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple((row["wordnet_id"], int(row["ilsvrc2012_id"]), row["words"]) for row in rows)
