"""Questions about photos of one coloured square each, in the layout of the VQA data sets."""

import json

import numpy as np

from tests.made_data import photo

NAMES = ("red", "green", "blue")
SIDE, SIZE = 24, (60, 80)


def make_questions(home, count=30, first=1, seed=0):
    """Photos `first` to `first + count - 1`, two questions about each; returns the files and each square's box.

    The number of a photo's colour is its id modulo 3. Nine of ten people give the answer, the tenth another.
    """
    random = np.random.default_rng(seed)
    questions, annotations, boxes = [], [], {}
    for image_id in range(first, first + count):
        colour = image_id % 3
        x, y = int(random.integers(0, SIZE[1] - SIDE)), int(random.integers(0, SIZE[0] - SIDE))
        boxes[image_id] = (x, y, x + SIDE, y + SIDE)
        photo(home / f"images/COCO_made_{image_id:012}.jpg", colour, boxes[image_id], SIZE)
        asked = (
            ("What colour is the square?", NAMES[colour], "other"),
            ("Is there a red square?", "no" if colour else "yes", "yes/no"),
        )
        for number, (question, answer, kind) in enumerate(asked):
            of = {"question_id": 10 * image_id + number, "image_id": image_id}
            answers = [{"answer": text, "answer_id": place} for place, text in enumerate([answer] * 9 + ["a square"])]
            questions.append({**of, "question": question})
            annotations.append({**of, "multiple_choice_answer": answer, "answers": answers, "answer_type": kind})
    (home / "questions.json").write_text(json.dumps({"questions": questions}))
    (home / "annotations.json").write_text(json.dumps({"annotations": annotations[::-1]}))
    return (home / "questions.json", home / "annotations.json", home / "images"), boxes
