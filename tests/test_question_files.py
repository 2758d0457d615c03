"""VQA's files, and the accuracy of answers as its evaluation has it."""

import json
from itertools import combinations

import numpy as np
import pytest

from jaxcam.applications.question_files import read_questions
from jaxcam.metrics import plain_answer, vqa_accuracy
from tests.made_questions import make_questions


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_questions(tmp_path_factory.mktemp("made"), 6)[0]


@pytest.mark.parametrize("same", range(11))
def test_accuracy_is_the_mean_over_nine_of_ten_people(same):
    humans = ["red"] * same + [f"other {place}" for place in range(10 - same)]
    plain = np.mean([min(nine.count("red") / 3, 1) for nine in combinations(humans, 9)])
    assert vqa_accuracy("red", humans) == pytest.approx(plain)
    assert plain == pytest.approx(min(0.3 * same, 1))


@pytest.mark.parametrize(
    "text, plain",
    [
        ("The Red, square!", "red square"),
        ("t-shirt/jeans", "t shirt jeans"),
        ("t- shirt", "t shirt"),
        ("10,000 a-b", "10000 ab"),
        ("3.5 in.", "3.5 in"),
        ("None of ten", "0 of 10"),
        ("dont, couldnt've", "don't couldn't've"),
        ("it's 9:30", "it's 9:30"),
    ],
)
def test_answers_are_put_into_one_form(text, plain):
    assert plain_answer(text) == plain
    assert vqa_accuracy(text, [plain] * 9 + ["other"]) == 1


def test_answers_of_people_who_agree_are_taken_as_they_are():
    assert vqa_accuracy("the red", ["red"] * 10) == 0
    assert vqa_accuracy(" red\n", ["red"] * 10) == 1
    with pytest.raises(ValueError, match="human_answers: got 1"):
        vqa_accuracy("red", ["red"])


def test_questions_are_paired_with_their_answers_and_photos(made):
    questions = read_questions(*made, progress=False)
    asked = json.loads(made[0].read_text())["questions"]
    answers = {entry["question_id"]: entry for entry in json.loads(made[1].read_text())["annotations"]}
    assert [question.question_id for question in questions.asked] == [entry["question_id"] for entry in asked]
    for row, question in zip(questions.rows(), questions.asked, strict=True):
        assert questions.photos[row].path.name == f"COCO_made_{question.image_id:012}.jpg"
        assert question.answer == answers[question.question_id]["multiple_choice_answer"]
        assert question.human_answers == (question.answer,) * 9 + ("a square",)


def changed(home, name, change):
    """The files of two photos, one of them with a change made to its contents."""
    files, _ = make_questions(home, 2)
    path = home / f"{name}.json"
    contents = json.loads(path.read_text())
    change(contents[name])
    path.write_text(json.dumps(contents))
    return files


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("questions", lambda entries: entries.pop(), "1 questions of the other file are not in it, such as 21"),
        ("annotations", lambda entries: entries.pop(), "annotations.json: 1 questions .* such as 10; give the"),
        (
            "annotations",
            lambda entries: entries[0].update(image_id=1),
            "question 21 is about image 1 there, and about 2",
        ),
        ("questions", lambda entries: entries[1].update(question_id=10), "question 10 is there twice"),
        ("questions", lambda entries: entries[1].update(image_id="1"), "entry 1 of 'questions' has image_id '1'; exp"),
        ("questions", lambda entries: entries[0].pop("question"), "has question None; expected text"),
        ("annotations", lambda entries: entries[0].update(answers=[]), r"question 21 has \[\] for answers"),
        ("annotations", lambda entries: entries[0].update(answers=[{}, {}]), "expected those of 10 people"),
        ("questions", list.clear, "it has no list 'questions'"),
    ],
)
def test_mistakes_in_files(name, change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_questions(*changed(tmp_path, name, change), progress=False)


def test_photos_that_are_missing_or_damaged(tmp_path):
    files, _ = make_questions(tmp_path, 4)
    (files[2] / "COCO_made_000000000002.jpg").unlink()
    (files[2] / "COCO_made_000000000003.jpg").write_bytes(b"no image")
    (files[2] / "notes 1.txt").touch()
    with pytest.raises(ValueError, match=r"2 of 4 photos .* no photo whose name ends in the id 2.*--on-error skip"):
        read_questions(*files, progress=False)
    found = read_questions(*files, on_error="skip", progress=False)
    assert found.image_ids == (1, 4)
    assert found.left_out == 4
    assert len(found.skipped) == 2
    assert found.rows() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"none of the 2 photos that are asked about can be used \(gone, away\)"):
        found.without({1: "gone", 4: "away"})
    (files[2] / "copy 00004.jpg").touch()
    with pytest.raises(ValueError, match=r"image 4 is there twice: COCO_made_000000000004\.jpg, copy 00004\.jpg"):
        read_questions(*files, progress=False)
    files[0].write_text(files[0].read_text()[:-9])
    with pytest.raises(ValueError, match=r"questions\.json: damaged, or no JSON: .*char"):
        read_questions(*files, progress=False)
    with pytest.raises(ValueError, match="no such file; give the questions of a VQA split"):
        read_questions(tmp_path / "none.json", *files[1:], progress=False)
