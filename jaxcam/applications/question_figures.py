"""What a model answers to many questions, and how often it is right."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxcam.applications.question_files import Question
from jaxcam.applications.question_net import AnswerModel, QuestionNet, bags_of
from jaxcam.metrics import bootstrap_interval, vqa_accuracy
from jaxcam.report.table import Figure

OVERALL, MOST_FREQUENT = "overall", "always the most frequent answer"


class Table(NamedTuple):
    """Questions as arrays: known words, the photo's row, and the place of the answer, -1 where it is unknown."""

    bags: Int[Array, "n m"]
    rows: Int[Array, " n"]
    targets: Int[Array, " n"]


def answer_figures(
    model: AnswerModel, features: Float[np.ndarray, "i k"], rows: Sequence[int] | np.ndarray, asked: Sequence[Question]
) -> dict[str, dict[str, float]]:
    """VQA accuracy of a model's most probable answers: overall, by the kind of answer, and what one answer would reach.

    Args:
        model: of `train_answers` or `load_model`.
        features: (i, k) of the photos.
        rows: the photo of each question, an index into the features.
        asked: the questions; each counts, also where its answer is none of the model's.

    Returns:
        Name -> fields of a Figure: percent, its 95% bootstrap interval (photos are drawn, with all their questions),
        and the number of questions. "always the most frequent answer" is that of the training questions.
    """
    places = np.asarray(rows, np.int32)
    table = tabulate(asked, places, model.words, model.answers)
    chosen = predict(model.net, model.variables, jnp.asarray(features), table, np.arange(len(asked)), 256)
    found = accuracies(model.answers, chosen, asked)
    plain = accuracies(model.answers, [0] * len(asked), asked)
    kinds = np.array([question.kind for question in asked])
    everywhere = np.ones(len(asked), bool)
    figures = {OVERALL: _figure(found, places, everywhere)}
    figures |= {kind: _figure(found, places, kinds == kind) for kind in sorted(set(kinds.tolist()) - {""})}
    figures[MOST_FREQUENT] = _figure(plain, places, everywhere)
    return {name: figure._asdict() for name, figure in figures.items()}


def tabulate(asked, rows, words, answers):
    """The table of some questions, for a vocabulary and a list of answers."""
    places = {answer: place for place, answer in enumerate(answers)}
    targets = [places.get(question.answer, -1) for question in asked]
    bags = bags_of([question.text for question in asked], words)
    return Table(jnp.asarray(bags), jnp.asarray(rows), jnp.asarray(targets, jnp.int32))


def predict(net, variables, features, table, chosen, batch_size):
    """The column of the most probable answer to each of some questions."""
    found = _columns(net, variables, features, table, batched(chosen, batch_size))
    return np.asarray(found).ravel()[: len(chosen)]


@partial(jax.jit, static_argnums=0)
def _columns(net: QuestionNet, variables: Any, features: Array, table: Table, order: Array) -> Int[Array, "s b"]:
    def columns(chosen):
        scores: Any = net.apply(variables, table.bags[chosen], features[table.rows[chosen]])
        return scores.argmax(-1)

    return jax.lax.map(columns, order)


def batched(order, batch_size):
    """Indices in rows of one size, the last one filled up with -1."""
    size = min(batch_size, len(order))
    batches = np.full((-(-len(order) // size), size), -1, np.int32)
    batches.ravel()[: len(order)] = order
    return jnp.asarray(batches)


def accuracies(answers, columns, asked):
    """VQA accuracy of the answer chosen for each question."""
    pairs = zip(columns, asked, strict=True)
    return np.array([vqa_accuracy(answers[column], question.human_answers) for column, question in pairs])


def _figure(shares, photos, chosen):
    """The mean of some accuracies in percent, with its interval over photos."""
    _, photo = np.unique(photos[chosen], return_inverse=True)
    sums = np.stack([np.bincount(photo, shares[chosen]), np.bincount(photo)], axis=1)
    low, high = bootstrap_interval(sums, lambda total: 100 * float(total[0] / total[1]))
    return Figure(100 * float(shares[chosen].mean()), low, high, int(chosen.sum()))
