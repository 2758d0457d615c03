"""The network that answers questions about photos, its words and answers, and the file that holds all of it.

Zhou et al., "Simple Baseline for Visual Question Answering", arXiv 1512.02167: the words of a question, in no order,
and a photo's pooled features make the scores of the most frequent answers.
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int
from safetensors import safe_open
from safetensors.numpy import save as to_safetensors

from jaxcam.arrays import type_of_array
from jaxcam.checkpoints.hashes import leaf_hashes
from jaxcam.whole_files import whole_file

FORMAT = 1
FILE = "model.safetensors"
LEAVES = ("embedding/embedding", "answers/kernel", "answers/bias")
WORD = re.compile(r"\w+(?:'\w+)*")


class QuestionNet(nn.Module):
    """Scores of answers: softmax weights on the sum of the words' embeddings beside the photo's features.

    s_a = sum_w e_w . u_a + f . v_a + b_a, with e_w the embedding of word w, f the pooled features and (u_a, v_a) the
    weights of answer a. Words and photo are added and never multiplied: what a word says of an answer is the same for
    all photos. So it cannot learn to answer both "is it red?" and "is it blue?" of red and blue photos.

    Attributes:
        num_words: of the vocabulary.
        width: of a word's embedding.
        num_answers: that it chooses from.
    """

    num_words: int
    width: int
    num_answers: int

    @nn.compact
    def __call__(self, bags: Int[type_of_array, "b m"], images: Float[type_of_array, "b k"]) -> Float[Array, "b c"]:
        """Scores before the softmax, of bags of words (-1 where there are fewer) and pooled features."""
        rows = nn.Embed(self.num_words, self.width, name="embedding")(jnp.maximum(bags, 0))
        words = jnp.where((bags >= 0)[..., None], rows, 0.0).sum(1)
        # From zero, so that what no photo of the training speaks for or against stays without a weight.
        scores = nn.Dense(self.num_answers, kernel_init=nn.initializers.zeros, name="answers")
        return scores(jnp.concatenate([words, images], axis=-1))


@dataclass(frozen=True, eq=False)
class AnswerModel:
    """A trained `QuestionNet` with what its rows and columns stand for.

    Attributes:
        variables: of the net; its image half takes the features as the network pools them.
        words: one a row of the embedding.
        answers: one a column of the scores.
        record: which network's features it was trained on ("checkpoint", "checkpoint_sha256"), how, on what, and
            figures: JSON values.
    """

    variables: Any
    words: tuple[str, ...]
    answers: tuple[str, ...]
    record: dict[str, Any]

    @property
    def net(self) -> QuestionNet:
        """The Flax module of these variables."""
        return QuestionNet(
            len(self.words), self.variables["params"]["embedding"]["embedding"].shape[1], len(self.answers)
        )

    @property
    def image_kernel(self) -> Float[Array, "k c"]:
        """The image half of the softmax weights, of which class maps are made."""
        return self.variables["params"]["answers"]["kernel"][self.net.width :]


def words_of(text: str) -> tuple[str, ...]:
    """The different words of a question in the order they come: letters, digits and inner apostrophes, in lower case.

    >>> words_of("What's the colour of THE T-shirt?")
    ("what's", 'the', 'colour', 'of', 't', 'shirt')
    """
    return tuple(dict.fromkeys(WORD.findall(text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))))


def bags_of(texts: Sequence[str], words: Sequence[str]) -> Int[np.ndarray, "n m"]:
    """The known words of questions as rows of their places in the vocabulary, filled up with -1.

    >>> bags_of(["Is it red?", "Is it?"], ("is", "red")).tolist()
    [[0, 1], [0, -1]]
    """
    places = {word: place for place, word in enumerate(words)}
    rows = [[places[word] for word in words_of(text) if word in places] for text in texts]
    bags = np.full((len(rows), max(1, *map(len, rows))), -1, np.int32)
    for bag, row in zip(bags, rows, strict=True):
        bag[: len(row)] = row
    return bags


def save_model(model: AnswerModel, folder: str | os.PathLike[str]) -> None:
    """Write a model as `model.safetensors` in a folder: arrays, vocabulary and record in one file, all or nothing.

    Args:
        model: what to keep.
        folder: where; missing folders are made, and a model that is there is replaced.

    Raises:
        ValueError: for a record that is no JSON.

    >>> import tempfile
    >>> answers = {"kernel": jnp.zeros((6, 2)), "bias": jnp.zeros(2)}
    >>> variables = {"params": {"embedding": {"embedding": jnp.zeros((3, 4))}, "answers": answers}}
    >>> with tempfile.TemporaryDirectory() as home:
    ...     save_model(AnswerModel(variables, ("is", "it", "red"), ("no", "yes"), {}), home)
    ...     load_model(home).image_kernel.shape
    (2, 2)
    """
    params = model.variables["params"]
    arrays = {name: np.asarray(params[name.split("/")[0]][name.split("/")[1]]) for name in LEAVES}
    told = {"format": FORMAT, "words": model.words, "answers": model.answers, "leaves": leaf_hashes(arrays)}
    try:
        contents = json.dumps({**told, "record": model.record}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"record: got a value that JSON has not: {error}") from None
    metadata = {"contents": contents, "sha256": _digest(contents)}
    with whole_file(Path(folder, FILE)) as file:
        file.write(to_safetensors(arrays, metadata))


def load_model(folder: str | os.PathLike[str]) -> AnswerModel:
    """The model of a folder, its arrays and all else checked against their hashes.

    Args:
        folder: that `jaxcam vqa train` wrote.

    Returns:
        The model.

    Raises:
        ValueError: for a folder without a model, or one that is damaged or of another version.
    """
    path = Path(folder, FILE)
    if not path.is_file():
        raise ValueError(f"model {folder}: it has no {FILE}; give the folder that jaxcam vqa train wrote")
    try:
        with safe_open(path, "np") as file:
            metadata, arrays = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # the reader's own kinds
        raise ValueError(f"model {path}: damaged, or no safetensors: {error}") from error
    text = metadata.get("contents", "")
    if metadata.get("sha256") != _digest(text):
        raise ValueError(f"model {path}: it is damaged, or not of jaxcam vqa train; restore it, or train it anew")
    contents = json.loads(text)
    if contents["format"] != FORMAT:
        raise ValueError(f"model {path}: got format {contents['format']}, this version reads {FORMAT}")
    if leaf_hashes(arrays) != contents["leaves"]:
        raise ValueError(f"model {path}: its arrays are not as they were saved; restore it, or train it anew")
    variables: dict[str, Any] = {"params": {"embedding": {}, "answers": {}}}
    for name in LEAVES:
        layer, leaf = name.split("/")
        variables["params"][layer][leaf] = jax.device_put(arrays[name])
    return AnswerModel(variables, tuple(contents["words"]), tuple(contents["answers"]), contents["record"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
