"""The photos that a concept is learned from and looked for in: which they are, and that no photo is in two parts."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from jaxcam.datasets.captions import read_captions, spoken_of
from jaxcam.datasets.folder import EXTENSIONS

CAPTIONED_POOL = 1000


@dataclass(frozen=True)
class ConceptPhotos:
    """Photos for `find_concept`; no two parts hold the same photo, by whatever name.

    Attributes:
        name: of the concept.
        positives: photos with it.
        pool: photos without it, for mining.
        gallery: photos to rank; () for those that it is learned from.
        relevant: of each of the gallery, whether it shows the concept; () where nobody knows.
        left_out: why photos were left out -> how many.
    """

    name: str
    positives: tuple[Path, ...]
    pool: tuple[Path, ...]
    gallery: tuple[Path, ...] = ()
    relevant: tuple[bool, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


def photos_of_folders(
    positives: str | os.PathLike[str], negatives: str | os.PathLike[str], *, pool: int | None = None, seed: int = 0
) -> ConceptPhotos:
    """A concept's photos from a folder with it and one without it, and whatever folders are in them.

    Args:
        positives: the folder of photos with the concept, which is called by its name.
        negatives: the folder of photos without it.
        pool: how many of the negatives are drawn at random; None for all.
        seed: of the draw.

    Raises:
        ValueError: for a folder that is missing or has no image, photos that are in both, or fewer than two.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("cat/1.jpg", "cat/2.jpg", "none/dog/3.jpg", "none/4.jpg"):
    ...         Path(home, name).parent.mkdir(parents=True, exist_ok=True)
    ...         _ = Path(home, name).write_text(name)
    ...     found = photos_of_folders(f"{home}/cat", f"{home}/none")
    >>> found.name, [path.name for path in found.pool]
    ('cat', ['4.jpg', '3.jpg'])
    """
    with_it, without = photos_in(positives), photos_in(negatives)
    both = same_photos(without, with_it)
    if both:
        copy, original = min(both.items())
        raise ValueError(
            f"positives, negatives: {len(both)} photos are in both, such as {copy}, which is {original}; "
            "leave them out of one of the two"
        )
    check_counts(len(with_it), len(without))
    kept = without if pool is None else _drawn(without, pool, seed, lambda path: True)[0]
    return ConceptPhotos(Path(positives).resolve().name, with_it, kept)


def photos_of_phrase(
    captions: str | os.PathLike[str],
    photos: str | os.PathLike[str],
    phrase: str,
    *,
    pool: int | None = None,
    seed: int = 0,
) -> ConceptPhotos:
    """A concept's photos by their captions; see `jaxcam.datasets.captions.spoken_of` for which these are.

    Photos that are missing are left out and counted (of the negatives those that were drawn), and so are negatives with
    the very bytes of a positive.

    Args:
        captions: as for `jaxcam.datasets.captions.read_captions`.
        photos: their folder.
        phrase: that captions of the positives hold, such as "mirror in lake".
        pool: how many of the negatives are drawn at random; None for 1,000, or all where there are no more.
        seed: of the draw.

    Raises:
        ValueError: for captions in another form, a phrase without a photo, or fewer than two photos of a kind.

    >>> photos = photos_of_phrase("annotations/captions_train2014.json", "train2014", "mirror")  # doctest: +SKIP
    """
    if not Path(photos).is_dir():
        raise ValueError(f"{photos}: no such folder; give the one of the photos that the captions are of")
    spoken = spoken_of(read_captions(captions, photos), phrase)
    with_it = tuple(path for path in spoken.photos if path.is_file())
    wanted = min(CAPTIONED_POOL, len(spoken.others)) if pool is None else pool
    without, absent = _drawn(spoken.others, wanted, seed, Path.is_file)
    both = same_photos(without, with_it)
    missing = len(spoken.photos) - len(with_it)
    if missing == len(spoken.photos):
        raise ValueError(f"{photos}: none of the {missing} photos of {phrase!r} is there, such as {spoken.photos[0]}")
    left_out = {
        "positives that are missing": missing,
        "negatives that are missing": absent,
        "negatives that are copies of positives": len(both),
    }
    without = tuple(path for path in without if path not in both)
    check_counts(len(with_it), len(without))
    return ConceptPhotos(phrase, with_it, without, left_out=left_out)


def with_gallery(
    photos: ConceptPhotos, gallery: str | os.PathLike[str], *, relevant: str | os.PathLike[str] | None = None
) -> ConceptPhotos:
    """Photos to rank, less those that the concept is learned from, which are counted.

    Args:
        photos: to learn from.
        gallery: a folder of photos.
        relevant: a folder of further photos, or one within the gallery: those that show the concept.

    Raises:
        ValueError: for a folder that is missing or has no image, or of which nothing is left.

    >>> with_gallery(photos, "holiday", relevant="holiday/sunsets")  # doctest: +SKIP
    """
    shown = () if relevant is None else photos_in(relevant)
    others = photos_in(gallery)
    again = same_photos(others, shown)
    listed = (*shown, *(path for path in others if path not in again))
    known = same_photos(listed, (*photos.positives, *photos.pool))
    left = tuple((path, index < len(shown)) for index, path in enumerate(listed) if path not in known)
    right = sum(flag for _, flag in left)
    if not left or (relevant is not None and right in (0, len(left))):
        raise ValueError(
            f"gallery, relevant: without the {len(known)} photos that the concept is learned from, {len(left)} are "
            f"left and {right} of them show it; give photos that are neither positives nor negatives, of both kinds"
        )
    return replace(
        photos,
        gallery=tuple(path for path, _ in left),
        relevant=() if relevant is None else tuple(flag for _, flag in left),
        left_out={**photos.left_out, "photos of the gallery that it is learned from": len(known)},
    )


def photos_in(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The image files of a folder and of those in it, sorted, without hidden ones.

    Raises:
        ValueError: if it is missing, or there is none.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder; give a folder of photos")
    found = []
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        found += [Path(place, name) for name in names if name.lower().endswith(EXTENSIONS) and name[0] != "."]
    if not found:
        raise ValueError(f"{folder}: got no image in this folder or those in it; expected {', '.join(EXTENSIONS)}")
    return tuple(sorted(found))


def same_photos(photos: Iterable[Path], others: Sequence[Path]) -> dict[Path, Path]:
    """Of some photos those whose bytes are the ones of another set's, and of which: one file, or copies of it."""
    sizes: dict[int, list[Path]] = {}
    for other in others:
        sizes.setdefault(other.stat().st_size, []).append(other)
    hashed: dict[int, dict[str, Path]] = {}  # only of files that are as long as another one
    same = {}
    for photo in photos:
        size = photo.stat().st_size
        if size in sizes:
            if size not in hashed:
                hashed[size] = {_digest(other): other for other in sizes[size]}
            original = hashed[size].get(_digest(photo))
            if original is not None:
                same[photo] = original
    return same


def check_counts(positives: int, negatives: int) -> None:
    """Refuse fewer than two photos of a kind."""
    if min(positives, negatives) < 2:
        raise ValueError(
            f"positives, negatives: got {positives} and {negatives} photos that can be read; give at least 2 of each"
        )


def _drawn(
    photos: Sequence[Path], count: int, seed: int, usable: Callable[[Path], bool]
) -> tuple[tuple[Path, ...], int]:
    """So many of the photos at random, in their own order, and how many were passed over that are not usable."""
    if not 2 <= count <= len(photos):
        raise ValueError(f"pool: got {count} to draw from {len(photos)} negatives; give 2 or more, as far as they go")
    if seed < 0:
        raise ValueError(f"seed: got {seed}; give a whole number from 0")
    chosen: list[int] = []
    passed = 0
    for index in np.random.default_rng(seed).permutation(len(photos)).tolist():
        if len(chosen) == count:
            break
        if usable(photos[index]):
            chosen.append(index)
        else:
            passed += 1
    return tuple(photos[index] for index in sorted(chosen)), passed


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
