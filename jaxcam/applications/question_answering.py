"""Visual question answering, interpreted: which words and which places of a photo speak for an answer.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 5, with the
model of Zhou et al., "Simple Baseline for Visual Question Answering", arXiv 1512.02167.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxcam.applications.question_net import AnswerModel, bags_of, words_of
from jaxcam.arrays import Images
from jaxcam.forward import features
from jaxcam.methods.activation import cam_from_features
from jaxcam.params import Params


class Answering(NamedTuple):
    """The most probable answers to a question about a photo, and what speaks for each.

    For each answer, words.sum() + photo + bias = score, and on the cells mean(map) = photo.

    Attributes:
        question: as it was asked.
        known: the m words of it that the model knows.
        unknown: the other ones, which count for nothing.
        answers: the n most probable ones, the first most so.
        probabilities: (n,) of the softmax over all answers.
        scores: (n,) before it.
        words: (n, m) each word's share of each score.
        photo: (n,) the photo's.
        bias: (n,) what is the same for all questions and photos.
        maps: (n, h, w) class maps of the image half of the weights.
    """

    question: str
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    answers: tuple[str, ...]
    probabilities: Float[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    words: Float[np.ndarray, "n m"]
    photo: Float[np.ndarray, " n"]
    bias: Float[np.ndarray, " n"]
    maps: Float[np.ndarray, "n h w"]

    def as_json(self) -> dict[str, Any]:
        """All but the maps as JSON values."""
        numbers = {"probability": self.probabilities, "score": self.scores, "photo": self.photo, "bias": self.bias}
        return {
            "question": self.question,
            "unknown_words": list(self.unknown),
            "answers": [
                {
                    "answer": answer,
                    **{name: float(values[place]) for name, values in numbers.items()},
                    "words": dict(zip(self.known, self.words[place].tolist(), strict=True)),
                }
                for place, answer in enumerate(self.answers)
            ],
        }


def answer_question(
    params: Params,
    model: AnswerModel,
    image: Images,
    question: str,
    *,
    top: int = 3,
    size: str | tuple[int, int] | None = None,
) -> Answering:
    """The answers to a question about a photo, taken apart into words, photo and bias, with the photo's class maps.

    s_a = sum_w e_w . u_a + mean over cells of M_a + b_a, with M_a(x, y) = sum_k v_k^a f_k(x, y): words and photo are
    added, so each has its share of the score, and the maps are the same whatever is asked.

    Args:
        params: of the network whose features the model was trained on.
        model: of `train_answers` or `load_model`.
        image: one photo, uint8 or float in [0, 1], (h, w, 3).
        question: in the words of the training questions; their order is no matter.
        top: number of answers, or all where the model has fewer.
        size: of the maps: (height, width), None for the photo's, or "cells".

    Returns:
        An Answering.

    Raises:
        ValueError: for a question of which no word is known, another number of features than the model's, a `top` below
            1, or more than one image.

    >>> model = load_model("runs/vqa")  # doctest: +SKIP
    >>> params = jaxcam.load(model.record["checkpoint"])  # doctest: +SKIP
    >>> found = answer_question(params, model, photo, "What colour is the cat?")  # doctest: +SKIP
    >>> dict(zip(found.known, found.words[0], strict=True))  # doctest: +SKIP
    """
    if top < 1:
        raise ValueError(f"top: got {top}; give at least 1 answer")
    if image.ndim != 3:
        raise ValueError(f"image: got shape {tuple(image.shape)}; give one photo (h, w, 3)")
    asked, vocabulary = words_of(question), set(model.words)
    known = tuple(word for word in asked if word in vocabulary)
    unknown = tuple(word for word in asked if word not in vocabulary)
    if not known:
        raise ValueError(
            f"question: got {question!r}, of whose words the model knows none ({', '.join(unknown) or 'it has none'}); "
            f"the most frequent of the {len(model.words)} that it knows are {', '.join(model.words[:10])}"
        )
    cells = features(params, image)
    if cells.ndim != 3 or cells.shape[-1] != len(model.image_kernel):
        raise ValueError(
            f"params: got features {tuple(cells.shape)}; the model was trained on (y, x, {len(model.image_kernel)})"
        )
    bag = jnp.asarray(bags_of([question], model.words)[0])
    chosen, parts = _taken_apart(model.variables, cells, bag, min(top, len(model.answers)))
    maps = cam_from_features(cells, model.image_kernel, chosen, size=image.shape[:2] if size is None else size)
    answers = tuple(model.answers[column] for column in chosen.tolist())
    probabilities, scores, words, photo, bias = map(np.asarray, parts)
    shares: dict[str, Any] = {"words": words, "photo": photo, "bias": bias, "maps": np.asarray(maps)}
    return Answering(question, known, unknown, answers, probabilities, scores, **shares)


@partial(jax.jit, static_argnames="top")
def _taken_apart(
    variables: Any, cells: Float[Array, "y x k"], bag: Int[Array, " m"], top: int
) -> tuple[Int[Array, " n"], tuple[Array, ...]]:
    """The columns of the best answers; their probabilities, scores, and the shares of words, photo and bias."""
    embedding = variables["params"]["embedding"]["embedding"]
    kernel, bias = variables["params"]["answers"]["kernel"], variables["params"]["answers"]["bias"]
    width = embedding.shape[1]
    words = jnp.matmul(embedding[bag], kernel[:width], precision="highest")
    photo = jnp.matmul(cells.mean((0, 1)), kernel[width:], precision="highest")
    scores = words.sum(0) + photo + bias
    best = jax.lax.top_k(scores, top)[1]
    return best, (jax.nn.softmax(scores)[best], scores[best], words.T[best], photo[best], bias[best])
