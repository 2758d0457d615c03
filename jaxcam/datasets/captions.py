"""Photos with captions, as COCO and the SBU captioned photos are distributed, and those that a phrase speaks of.

Chen et al., "Microsoft COCO Captions", 2015, arXiv 1504.00325; Ordonez, Kulkarni and Berg, "Im2Text: Describing Images
Using 1 Million Captioned Photographs", NIPS 2011.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

URLS, CAPTIONS = "SBU_captioned_photo_dataset_urls.txt", "SBU_captioned_photo_dataset_captions.txt"
FORMS = (
    'COCO\'s {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}, '
    'SBU\'s {"image_urls": [...], "captions": [...]}, or a list of {"file_name" or "url", "caption"}'
)

# Words that say nothing of what a photo shows: articles, prepositions, conjunctions, pronouns and auxiliary verbs.
_STOP = (
    "a an the and or but nor so of in on at to from by for with without into onto over under up down out off near "
    "is are was were be been being am has have had do does did as than that this these those it its they them their "
    "he him his she her i me my we us our you your there here some any"
)
STOP_WORDS = frozenset(_STOP.split())


class Captioned(NamedTuple):
    """A photo and what is said of it.

    Attributes:
        path: the photo, which may be missing.
        captions: at least one.
    """

    path: Path
    captions: tuple[str, ...]


class Spoken(NamedTuple):
    """What `spoken_of` finds, in the order of the captions.

    Attributes:
        photos: with a caption that holds every word of the phrase.
        others: with none of the words in any caption.
    """

    photos: tuple[Path, ...]
    others: tuple[Path, ...]


def read_captions(path: str | os.PathLike[str], photos: str | os.PathLike[str]) -> tuple[Captioned, ...]:
    """Photos and their captions, in the file's order; all captions of one file name are of one photo.

    Read are COCO's captions_*.json; a JSON list of objects, each with a file under "file_name", "file" or "image" (or
    an address under "url" or "image_url") and a "caption"; the lists "image_urls" and "captions" of
    sbu-captions-all.json; and the two text files of SBU, a line a photo. A file is looked for by its name within the
    folder `photos`, one of an address by the last part of it: http://static.flickr.com/2723/4385.jpg is 4385.jpg.

    Args:
        path: the JSON file, one of SBU's text files, or the folder of both.
        photos: the folder of the photos. No photo is looked for.

    Returns:
        The photos that have captions.

    Raises:
        ValueError: for a file that is missing, in another form, or whose parts do not belong together.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "c.json").write_text('[{"url": "http://a.org/5/b.jpg", "caption": "A mirror in the lake"}]')
    ...     read_captions(f"{home}/c.json", "photos")[0].captions
    ('A mirror in the lake',)
    """
    path = Path(path)
    pairs = _text_pairs(path) if path.is_dir() or path.name in (URLS, CAPTIONS) else _json_pairs(path)
    said: dict[str, list[str]] = {}
    for name, caption in pairs:
        said.setdefault(name, []).append(caption)
    if not said:
        raise ValueError(f"{path}: got no caption; give {FORMS}")
    return tuple(Captioned(Path(photos, _inside(name, path)), tuple(captions)) for name, captions in said.items())


def spoken_of(captioned: Sequence[Captioned], phrase: str) -> Spoken:
    """The photos that a phrase speaks of, and those that it has nothing to do with.

    A word is a run of letters and digits, case-folded; the phrase's stop words (`STOP_WORDS`) are left out. A photo is
    spoken of where one of its captions holds every word of the phrase as a whole word, in any order: "mirrors" is not
    "mirror". It has nothing to do with the phrase where none of its captions holds any of these words, as in section
    4.2 of arXiv 1512.04150. All other photos are in neither part.

    Args:
        captioned: of `read_captions`.
        phrase: such as "mirror in lake".

    Returns:
        A Spoken.

    Raises:
        ValueError: for a phrase of stop words alone, or one that no caption speaks of.

    >>> said = ("A lake, like a MIRROR.", "Boats on the lake", "A cat")
    >>> found = spoken_of([Captioned(Path(f"{i}.jpg"), (text,)) for i, text in enumerate(said)], "mirror in lake")
    >>> [path.name for path in found.photos], [path.name for path in found.others]
    (['0.jpg'], ['2.jpg'])
    """
    wanted = _words(phrase) - STOP_WORDS
    if not wanted:
        raise ValueError(f"phrase: got {phrase!r}; give at least one word that says what a photo shows")
    photos, others, holding = [], [], dict.fromkeys(sorted(wanted), 0)
    for path, captions in captioned:
        held = [_words(caption) & wanted for caption in captions]
        for word in frozenset().union(*held):
            holding[word] += 1
        if wanted in held:
            photos.append(path)
        elif not any(held):
            others.append(path)
    if not photos:
        told = ", ".join(f"{word!r} in those of {count}" for word, count in holding.items())
        raise ValueError(
            f"phrase: got {phrase!r}, all of whose words no caption of the {len(captioned)} photos holds ({told}); "
            "give words as captions write them"
        )
    return Spoken(tuple(photos), tuple(others))


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W_]+", text.casefold()))


def _inside(name: str, path: Path) -> str:
    """A photo's name, which may not lead out of the folder of the photos."""
    parts = PurePosixPath(name)
    if not parts.name or parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"{path}: got {name!r} for a photo; expected a file name within the folder of the photos")
    return name


def _text_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """(file name, caption) a line of SBU's two text files."""
    home = path if path.is_dir() else path.parent
    urls, captions = _lines(home / URLS), _lines(home / CAPTIONS)
    if len(urls) != len(captions):
        raise ValueError(f"{home}: got {len(urls)} lines in {URLS} and {len(captions)} in {CAPTIONS}; give a line each")
    for number, (url, caption) in enumerate(zip(urls, captions, strict=True), start=1):
        yield _last_part(url.strip(), f"{home / URLS}, line {number}"), caption.strip()


def _lines(path: Path) -> list[str]:
    """All lines, blank ones too: they count where two files go side by side."""
    text = _text(path)
    return text.removesuffix("\n").split("\n") if text else []


def _text(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give a JSON file of captions, or the folder of {URLS} and {CAPTIONS}")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file in UTF-8") from None


def _json_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """(file name, caption) from any of the JSON forms."""
    try:
        contents = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: no JSON ({error}); give {FORMS}") from None
    if isinstance(contents, list):
        return _listed(contents, path)
    if isinstance(contents, dict) and {"images", "annotations"} <= contents.keys():
        return _coco(contents, path)
    if isinstance(contents, dict) and {"image_urls", "captions"} <= contents.keys():
        urls, captions = (_as_list(contents[key], f"{path}, {key}") for key in ("image_urls", "captions"))
        if len(urls) != len(captions):
            raise ValueError(f"{path}: got {len(urls)} image_urls and {len(captions)} captions; give a caption each")
        return _listed([{"url": url, "caption": said} for url, said in zip(urls, captions, strict=True)], path)
    found = f"keys {', '.join(sorted(contents)[:6])}" if isinstance(contents, dict) else type(contents).__name__
    raise ValueError(f"{path}: got {found or 'no keys'}; give {FORMS}")


def _coco(contents: dict[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    images = _as_list(contents["images"], f"{path}, images")
    names = {
        _value(image, "id", f"{path}, image {number}"): _text_of(image, ("file_name",), f"{path}, image {number}")[1]
        for number, image in enumerate(images)
    }
    for number, note in enumerate(_as_list(contents["annotations"], f"{path}, annotations")):
        where = f"{path}, annotation {number}"
        image_id = _value(note, "image_id", where)
        if image_id not in names:
            raise ValueError(f"{where}: got image_id {image_id!r}, which no image has as its id")
        yield names[image_id], _text_of(note, ("caption",), where)[1]


def _listed(entries: Iterable[Any], path: Path) -> Iterator[tuple[str, str]]:
    for number, entry in enumerate(entries):
        where = f"{path}, entry {number}"
        key, name = _text_of(entry, ("file_name", "file", "image", "url", "image_url"), where)
        yield _last_part(name, where) if "url" in key else name, _text_of(entry, ("caption",), where)[1]


def _last_part(url: str, where: str) -> str:
    """What the photo of an address is called."""
    name = PurePosixPath(urlsplit(url).path).name
    if not name:
        raise ValueError(f"{where}: got the address {url!r}; expected one that ends in a file name")
    return name


def _as_list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: got {type(value).__name__}; expected a list")
    return value


def _value(entry: Any, key: str, where: str) -> int | str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, int | str):
        raise ValueError(f"{where}: got no {key!r}; give {FORMS}")
    return value


def _text_of(entry: Any, keys: tuple[str, ...], where: str) -> tuple[str, str]:
    """The first of some keys that an entry has, and its text."""
    for key in keys if isinstance(entry, dict) else ():
        if isinstance(entry.get(key), str):
            return key, entry[key]
    raise ValueError(f"{where}: got no text under {' or '.join(map(repr, keys))}; give {FORMS}")
