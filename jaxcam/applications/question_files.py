"""Questions about photos as the VQA data sets distribute them: a file of questions, one of answers, COCO's images.

Antol et al., "VQA: Visual Question Answering", ICCV 2015, arXiv 1505.00468; version 2 is of Goyal et al., "Making the V
in VQA Matter", CVPR 2017, arXiv 1612.00837.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxcam.datasets import Dataset, Example, inspect
from jaxcam.datasets.damage import check_on_error
from jaxcam.datasets.folder import EXTENSIONS

SHOWN = 3  # in a message
NUMBER, TEXT, LIST = (int, "a whole number"), (str, "text"), (list, "a list")
ID = re.compile(r"(\d+)$")


class Question(NamedTuple):
    """A question about a photo, and how people answered it.

    Attributes:
        question_id: of the data set.
        image_id: of the photo.
        text: as it was asked.
        answer: the most frequent human answer.
        human_answers: of all people asked, 10 in the VQA data sets.
        kind: of the answer: "yes/no", "number" or "other"; "" where the file does not say.
    """

    question_id: int
    image_id: int
    text: str
    answer: str
    human_answers: tuple[str, ...]
    kind: str = ""


class Questions(NamedTuple):
    """Questions, and the photos that they are about.

    Attributes:
        asked: the questions, in the order of their file.
        photos: the photos as a data set of one class, by their ids' order.
        image_ids: of the photos, ascending.
        left_out: how many questions are missing, for want of their photos.
        skipped: those photos, and what is wrong with each, a sentence each.
    """

    asked: tuple[Question, ...]
    photos: Dataset
    image_ids: tuple[int, ...]
    left_out: int = 0
    skipped: tuple[str, ...] = ()

    def rows(self) -> list[int]:
        """Where the photo of each question stands among the photos."""
        place = {image_id: row for row, image_id in enumerate(self.image_ids)}
        return [place[question.image_id] for question in self.asked]

    def without(self, lost: Mapping[int, str]) -> "Questions":
        """Those about the other photos; the rest is counted.

        Args:
            lost: what is wrong with a photo, by its id.

        Raises:
            ValueError: where nothing is left.
        """
        asked = tuple(question for question in self.asked if question.image_id not in lost)
        if not asked:
            why = _some(lost[image_id] for image_id in sorted(lost))
            raise ValueError(f"images: none of the {len(lost)} photos that are asked about can be used ({why})")
        places = zip(self.image_ids, self.photos, strict=True)
        photos = self.photos.without({photo.path: lost[number] for number, photo in places if number in lost})
        image_ids = tuple(image_id for image_id in self.image_ids if image_id not in lost)
        left_out = self.left_out + len(self.asked) - len(asked)
        skipped = (*self.skipped, *(lost[number] for number in sorted(lost)))
        return Questions(asked, photos, image_ids, left_out, skipped)


def read_questions(
    questions: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    images: str | os.PathLike[str],
    *,
    on_error: str = "stop",
    progress: bool = True,
) -> Questions:
    """Questions, answers and photos of a split of VQA v1 or v2.

    Args:
        questions: such as v2_OpenEnded_mscoco_train2014_questions.json.
        annotations: such as v2_mscoco_train2014_annotations.json, of the same questions.
        images: the folder of the photos, whose names end in the image's id, with or without zeros before it:
            COCO_train2014_000000000009.jpg.
        on_error: at photos that are missing or whose header cannot be read, stop, or skip their questions.
        progress: show on stderr how the photos are looked at.

    Returns:
        The questions and their photos. Photos that are not asked about are not among them.

    Raises:
        ValueError: for a file that is missing, damaged or of another kind, questions without answers or answers without
            a question, an id given twice, photos that are not to be skipped, or where nothing is left.

    >>> names = ("v2_OpenEnded_mscoco_val2014_questions.json", "v2_mscoco_val2014_annotations.json")
    >>> questions = read_questions(*names, "val2014")  # doctest: +SKIP
    >>> questions.asked[0].text, questions.asked[0].answer  # doctest: +SKIP

    Source: https://visualqa.org/download.html
    """
    check_on_error(on_error)
    asked = _paired(Path(questions), Path(annotations))
    wanted = {question.image_id for question in asked}
    files = _photos(Path(images), wanted)
    lost = {image_id: f"{images}: no photo whose name ends in the id {image_id}" for image_id in wanted - files.keys()}
    photos = Dataset(tuple(Example(files[image_id], 0) for image_id in sorted(files)), ("photo",))
    unreadable = inspect(photos, progress=progress).unreadable
    lost |= {image_id: unreadable[path] for image_id, path in files.items() if path in unreadable}
    if lost and on_error == "stop":
        raise ValueError(
            f"images: {len(lost)} of {len(wanted)} photos that are asked about are missing or damaged "
            f"({_some(lost[image_id] for image_id in sorted(lost))}); --on-error skip leaves out their questions"
        )
    return Questions(asked, photos, tuple(sorted(files))).without(lost)


def _paired(questions: Path, annotations: Path) -> tuple[Question, ...]:
    """Each question with its answers, by their ids."""
    of = {"question_id": NUMBER, "image_id": NUMBER}
    asked = _by_id(questions, "questions", {**of, "question": TEXT})
    answered = _by_id(annotations, "annotations", {**of, "multiple_choice_answer": TEXT, "answers": LIST})
    for path, lonely in ((annotations, asked.keys() - answered.keys()), (questions, answered.keys() - asked.keys())):
        if lonely:
            raise ValueError(
                f"{path}: {len(lonely)} questions of the other file are not in it, such as {_some(sorted(lonely))}; "
                "give the questions and the annotations of one split"
            )
    return tuple(_question(asked[number], answered[number], annotations) for number in asked)


def _question(asked: dict[str, Any], answered: dict[str, Any], path: Path) -> Question:
    number, image_id = asked["question_id"], asked["image_id"]
    if answered["image_id"] != image_id:
        raise ValueError(
            f"{path}: question {number} is about image {answered['image_id']} there, and about {image_id} in the "
            "questions; give the questions and the annotations of one split"
        )
    given = [entry.get("answer") if isinstance(entry, dict) else None for entry in answered["answers"]]
    answers = tuple(answer for answer in given if isinstance(answer, str))
    if len(answers) < max(2, len(given)):
        raise ValueError(f"{path}: question {number} has {given!r:.80} for answers; expected those of 10 people")
    kind = str(answered.get("answer_type") or "")
    return Question(number, image_id, asked["question"], answered["multiple_choice_answer"], answers, kind)


def _by_id(path: Path, key: str, fields: dict[str, tuple[type, str]]) -> dict[int, dict[str, Any]]:
    """The entries of a file by the ids of their questions, with those fields in each."""
    found: dict[int, dict[str, Any]] = {}
    for number, entry in enumerate(_entries(path, key)):
        for name, (kind, called) in fields.items():
            value = entry.get(name) if isinstance(entry, dict) else None
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"{path}: entry {number} of {key!r} has {name} {value!r:.80}; expected {called}")
        if entry["question_id"] in found:
            raise ValueError(f"{path}: question {entry['question_id']} is there twice")
        found[entry["question_id"]] = entry
    return found


def _entries(path: Path, key: str) -> list[Any]:
    try:
        contents = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give the {key} of a VQA split, as JSON") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: damaged, or no JSON: {error}") from None
    entries = contents.get(key) if isinstance(contents, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: it has no list {key!r}; give the {key} of a VQA split")
    return entries


def _photos(folder: Path, wanted: set[int]) -> dict[int, Path]:
    """The photos that are asked about, by the ids that their names end in."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; give that of the photos, COCO's train2014 or val2014")
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        match = ID.search(path.stem)
        if match is None or path.suffix.lower() not in EXTENSIONS or int(match[1]) not in wanted:
            continue
        if int(match[1]) in found:
            raise ValueError(
                f"{folder}: image {int(match[1])} is there twice: {found[int(match[1])].name}, {path.name}"
            )
        found[int(match[1])] = path
    return found


def _some(names: Iterable[Any]) -> str:
    listed = list(map(str, names))
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
