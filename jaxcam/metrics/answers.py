"""The accuracy of answers to questions about images, as the VQA challenge measures it.

Antol et al., "VQA: Visual Question Answering", ICCV 2015, arXiv 1505.00468; the rules are those of its published
evaluation, https://github.com/GT-Vision-Lab/VQA, in the version for VQA v2.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

MARKS = ';/[]"{}()=+\\_-><@`,?!'
ARTICLES = {"a", "an", "the"}
NUMBER_WORDS = "zero one two three four five six seven eight nine ten"
NUMBERS = {word: str(number) for number, word in enumerate(NUMBER_WORDS.split())} | {"none": "0"}

# Words whose apostrophes are put back where exactly one of them is missing.
CONTRACTIONS = """
    'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't
    he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't
    needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll
    somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd
    there'd've there're there's they'd they'd've they'll they're they've wasn't we'd've we've weren't what'll what're
    what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've
"""
WHOLE_WORDS = {
    word[:place] + word[place + 1 :]: word
    for word in CONTRACTIONS.split()
    for place, letter in enumerate(word)
    if letter == "'"
} | {"somebody'd": "somebodyd"}  # as the published table has it

COMMA_OF_A_NUMBER = re.compile(r"\d,\d")
FULL_STOP = re.compile(r"\.(?!\d)")


def vqa_accuracy(answer: str, human_answers: Sequence[str]) -> float:
    """How well an answer agrees with those of people: right where three others gave it too.

    mean over i of min(n_i / 3, 1), n_i being how many of the human answers but the i-th equal it: the average over all
    choices of 9 of 10 people. Where the human answers differ, all are put into one form first, see `plain_answer`.

    Args:
        answer: such as "red".
        human_answers: of 10 people in the VQA data sets; at least 2.

    Returns:
        A share in [0, 1]: of 10 people 0, .3, .6, .9 or 1 where 0, 1, 2, 3, or 4 and more gave the answer.

    Raises:
        ValueError: for fewer than two human answers.

    >>> round(vqa_accuracy("Red", ["red", "red", "crimson", *["blue"] * 7]), 6)
    0.6
    """
    if len(human_answers) < 2:
        raise ValueError(f"human_answers: got {len(human_answers)}; give at least 2, of as many people")
    answer, *given = (_one_line(text) for text in (answer, *human_answers))
    if len(set(given)) > 1:
        answer, *given = map(plain_answer, (answer, *given))
    same, count = given.count(answer), len(given)
    # Of the n people who gave it, each leaves out one such answer; the others leave all n.
    return (same * min((same - 1) / 3, 1) + (count - same) * min(same / 3, 1)) / count if same else 0.0


@lru_cache(2**18)
def plain_answer(text: str) -> str:
    """An answer without punctuation, capitals and articles, its number words as digits, its apostrophes put back.

    A mark goes without leaving a blank where it stands beside one, or the text holds a number with a comma; else it
    becomes a blank. Full stops go unless a digit follows. Colons and apostrophes stay.

    Args:
        text: an answer.

    Returns:
        The words, with one blank between.

    >>> plain_answer("The two T-shirts."), plain_answer("dont know"), plain_answer("10,000")
    ('2 t shirts', "don't know", '10000')
    """
    closed_up = COMMA_OF_A_NUMBER.search(text) is not None
    plain = text
    for mark in MARKS:
        gone = closed_up or f"{mark} " in text or f" {mark}" in text
        plain = plain.replace(mark, "" if gone else " ")
    words = (NUMBERS.get(word, word) for word in FULL_STOP.sub("", plain).lower().split())
    return " ".join(WHOLE_WORDS.get(word, word) for word in words if word not in ARTICLES)


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()
