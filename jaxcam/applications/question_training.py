"""Training of the network that answers questions about photos: on pooled features of a network that stays as it is.

Zhou et al., "Simple Baseline for Visual Question Answering", arXiv 1512.02167.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float
from tqdm import tqdm

from jaxcam.applications.question_figures import Table, accuracies, answer_figures, batched, predict, tabulate
from jaxcam.applications.question_files import Question
from jaxcam.applications.question_net import AnswerModel, QuestionNet, words_of

USUAL_ANSWERS = 1000


@dataclass(frozen=True)
class AnswerRecipe:
    """How a model is trained.

    Attributes:
        answers: how many of the most frequent answers it chooses from, at least 2; None for 1000, or all where there
            are fewer.
        min_word_count: words that are in fewer training questions are unknown to it.
        width: of a word's embedding.
        epochs: passes over the training questions; the best is kept.
        batch_size: questions a step.
        learning_rate: of Adam.
        held_out: share of the training photos, between 0 and 1, whose questions choose the best epoch.
        seed: of the choice of those photos, of the first weights and of the order.
    """

    answers: int | None = None
    min_word_count: int = 6
    width: int = 800
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 1e-3
    held_out: float = 0.1
    seed: int = 0

    def __post_init__(self):
        least = {"answers": 2, "min_word_count": 1, "width": 1, "epochs": 1, "batch_size": 1}
        for name, least_one in least.items():
            value = getattr(self, name)
            if value is not None and value < least_one:
                raise ValueError(f"{name}: got {value}; give at least {least_one}")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out: got {self.held_out}; give a share of the photos, between 0 and 1")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate: got {self.learning_rate}; give one above 0")


def train_answers(
    features: Float[np.ndarray, "i k"],
    rows: Sequence[int],
    asked: Sequence[Question],
    recipe: AnswerRecipe | None = None,
    *,
    progress: bool = True,
) -> AnswerModel:
    """A `QuestionNet` trained by cross-entropy with the most frequent human answers.

    A share of the photos is held out, and with them all their questions. Vocabulary and answers come from the other
    questions; those of them with another answer are not trained on. The epoch whose answers to the held-out questions
    have the highest VQA accuracy is kept, the first one where several have. On CPUs the same arguments give the same
    model, to the last bit.

    Args:
        features: (i, k) of the photos, see `jaxcam.applications.pooled_features`.
        rows: the photo of each question, an index into the features.
        asked: the questions.
        recipe: how to train.
        progress: show it on stderr.

    Returns:
        The model. Its record has the "recipe", "counts" of questions, photos, words and answers, an entry an epoch in
        "history", the "best_epoch", and "figures" of the held-out questions.

    Raises:
        ValueError: for fewer than two photos, fewer answers than asked for or fewer than two, or no word that is
            frequent enough; for a learning rate that is too high.

    >>> features = pooled_features(params, questions.photos)  # doctest: +SKIP
    >>> model = train_answers(features, questions.rows(), questions.asked)  # doctest: +SKIP
    >>> model.record["figures"]["overall"]["value"]  # doctest: +SKIP
    """
    recipe = recipe or AnswerRecipe()
    places = np.asarray(rows, np.int32)
    held, words, answers = choose_words(rows, asked, recipe)
    table = tabulate(asked, places, words, answers)
    known = np.asarray(table.targets) >= 0
    # Of length 1 on average, as a word's embedding is at first; the kernel takes the scale in at the end.
    scale = float(np.linalg.norm(features[np.unique(places[~held])], axis=1).mean()) or 1.0
    scaled = jnp.asarray(features / np.float32(scale), jnp.float32)
    net = QuestionNet(len(words), recipe.width, len(answers))
    judged, out = [question for question, left in zip(asked, held, strict=True) if left], np.flatnonzero(held)

    def judge(variables: Any) -> float:
        chosen = predict(net, variables, scaled, table, out, recipe.batch_size)
        return 100 * float(accuracies(answers, chosen, judged).mean())

    train = np.flatnonzero(~held & known)
    variables, best, history = _best_of_epochs(net, recipe, (scaled, table), train, judge, progress)
    kernel = variables["params"]["answers"]["kernel"]
    variables["params"]["answers"]["kernel"] = kernel.at[recipe.width :].divide(scale)
    counts = {"questions": len(asked), "photos": len(np.unique(places)), "held_out": int(held.sum())}
    counts |= {"held_out_photos": len(np.unique(places[held])), "words": len(words), "answers": len(answers)}
    counts |= {"unknown_answer": int((~known & ~held).sum()), "unknown_answer_held_out": int((~known & held).sum())}
    model = AnswerModel(variables, words, answers, {"recipe": asdict(recipe), "counts": counts})
    model.record.update(history=history, best_epoch=best, figures=answer_figures(model, features, places[held], judged))
    return model


def choose_words(
    rows: Sequence[int], asked: Sequence[Question], recipe: AnswerRecipe
) -> tuple[Bool[np.ndarray, " n"], tuple[str, ...], tuple[str, ...]]:
    """Which questions are held out, and the words and answers of the others, from the most frequent.

    Raises:
        ValueError: as `train_answers`.
    """
    held = _held_out(np.asarray(rows, np.int32), recipe)
    fit = [question for question, out in zip(asked, held, strict=True) if not out]
    return held, _vocabulary(fit, recipe.min_word_count), _answers(fit, recipe.answers)


def _held_out(rows, recipe):
    """Which questions are about the photos that are held out."""
    photos = np.unique(rows)
    if len(photos) < 2:
        raise ValueError(f"questions: got {len(photos)} photos; give at least 2, to hold one out")
    count = min(max(1, round(recipe.held_out * len(photos))), len(photos) - 1)
    return np.isin(rows, np.random.default_rng(recipe.seed).permutation(photos)[:count])


def _vocabulary(asked, least):
    counts = Counter(word for question in asked for word in words_of(question.text))
    words = tuple(word for word, count in _by_frequency(counts) if count >= least)
    if not words:
        most = max(counts.values(), default=0)
        raise ValueError(
            f"min_word_count: got {least}, but no word is in more than {most} training questions; lower it"
        )
    return words


def _answers(asked, wanted):
    counts = Counter(question.answer for question in asked)
    if len(counts) < 2:
        raise ValueError(
            f"questions: all {len(asked)} to train on have the answer {asked[0].answer!r}; give others too"
        )
    if wanted is not None and wanted > len(counts):
        raise ValueError(f"answers: got {wanted}, but the training questions have {len(counts)} answers; give no more")
    return tuple(answer for answer, _ in _by_frequency(counts)[: USUAL_ANSWERS if wanted is None else wanted])


def _by_frequency(counts):
    """From the most frequent; of equals, in the order of the alphabet."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _best_of_epochs(net, recipe, data, train, judge, progress):
    """The variables after the epoch with the best answers, as `judge` has it, its number, and what each epoch gave."""
    features, table = data
    optimizer = _adam(recipe.learning_rate)
    variables = jax.jit(net.init)(jax.random.key(recipe.seed), table.bags[:1], features[:1])
    state = variables, optimizer.init(variables)
    best, history = -1, []
    with tqdm(range(1, recipe.epochs + 1), "training", unit=" epochs", disable=not progress) as bar:
        for epoch in bar:
            order = np.random.default_rng((recipe.seed, epoch)).permutation(train)
            state, loss = _epoch(net, optimizer, state, features, table, batched(order, recipe.batch_size))
            if not np.isfinite(loss):
                raise ValueError(
                    f"learning_rate: got {recipe.learning_rate}, and a loss of {loss} in epoch {epoch}; lower it"
                )
            right = judge(state[0])
            history.append({"epoch": epoch, "loss": float(loss), "held_out": right})
            bar.set_postfix_str(f"loss {float(loss):.3f}, held out {right:.2f}%")
            if right > (history[best]["held_out"] if best >= 0 else -1):
                best, variables = epoch - 1, state[0]
    return variables, best + 1, history


@lru_cache
def _adam(learning_rate):
    """The same object for the same rate, so that another training compiles nothing."""
    return optax.adam(learning_rate)


@partial(jax.jit, static_argnums=(0, 1))
def _epoch(net: QuestionNet, optimizer: Any, state: Any, features: Array, table: Table, order: Array) -> Any:
    """The state after all batches (steps, b) of an epoch, and the mean loss; -1 fills up the last batch."""

    def loss(variables, chosen):
        count = (chosen >= 0).sum().astype(jnp.float32)
        scores = net.apply(variables, table.bags[chosen], features[table.rows[chosen]])
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, table.targets[chosen])
        total = jnp.where(chosen >= 0, losses, 0.0).sum()
        return total / count, (total, count)

    def step(state, chosen):
        variables, moments = state
        gradients, sums = jax.grad(loss, has_aux=True)(variables, chosen)
        updates, moments = optimizer.update(gradients, moments, variables)
        return (optax.apply_updates(variables, updates), moments), sums

    state, (totals, counts) = jax.lax.scan(step, state, order)
    return state, totals.sum() / counts.sum()
