"""Visual question answering: a net that learns colours, what speaks for its answers, its file and its command."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

import jaxcam
from jaxcam.applications import pooled_features, question_training
from jaxcam.applications.question_answering import answer_question
from jaxcam.applications.question_figures import answer_figures
from jaxcam.applications.question_files import Question, read_questions
from jaxcam.applications.question_net import bags_of, load_model, save_model, words_of
from jaxcam.applications.question_sheet import draw_answering
from jaxcam.applications.question_training import AnswerRecipe, choose_words, train_answers
from jaxcam.image_files import read_image
from tests.colour_network import colour_params
from tests.made_questions import NAMES, make_questions

pytestmark = pytest.mark.usefixtures("mixed_dtypes")

RECIPE = AnswerRecipe(min_word_count=2, width=8, epochs=40, batch_size=16, learning_rate=0.03, held_out=0.2)
COLOUR, IS_RED = "what COLOUR is the square", "Is there a red square?"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """30 photos to train on."""
    files, boxes = make_questions(tmp_path_factory.mktemp("made"))
    return files, boxes, read_questions(*files, progress=False)


@pytest.fixture(scope="module")
def features(made):
    return pooled_features(colour_params(), made[2].photos, batch_size=16, progress=False)


@pytest.fixture(scope="module")
def model(made, features):
    return train_answers(features, made[2].rows(), made[2].asked, RECIPE, progress=False)


def test_colours_are_learned_and_looked_at(model, tmp_path):
    """On new photos: every answer right, and the map of the answer highest inside the square."""
    files, boxes = make_questions(tmp_path, 12, first=101, seed=1)
    new = read_questions(*files, progress=False)
    features = pooled_features(colour_params(), new.photos, batch_size=16, progress=False)
    figures = answer_figures(model, features, new.rows(), new.asked)
    assert {name: figure["value"] for name, figure in figures.items()} == {
        "overall": 100,
        "other": 100,
        "yes/no": 100,
        "always the most frequent answer": pytest.approx(100 * 8 / 24),
    }
    assert model.answers[0] == "no"
    for image_id, example in zip(new.image_ids, new.photos, strict=True):
        photo = read_image(example.path)
        for question, right in ((COLOUR, NAMES[image_id % 3]), (IS_RED, "no" if image_id % 3 else "yes")):
            found = answer_question(colour_params(), model, photo, question, top=2)
            assert found.answers[0] == right
            if right == "no":  # nothing is there to look at
                continue
            y, x = np.unravel_index(found.maps[0].argmax(), found.maps[0].shape)
            x0, y0, x1, y1 = boxes[image_id]
            assert x0 <= x < x1
            assert y0 <= y < y1


def test_what_is_known_of_a_training(model, made):
    """Photos held out are so with both of their questions; the best epoch is the first of the best."""
    counts, history = model.record["counts"], model.record["history"]
    assert counts == {
        "questions": 60, "photos": 30, "held_out": 12, "held_out_photos": 6, "words": 8, "answers": 5,
        "unknown_answer": 0, "unknown_answer_held_out": 0,
    }  # fmt: skip
    assert set(model.words) == set(words_of(f"{COLOUR} {IS_RED}"))
    accuracies = [epoch["held_out"] for epoch in history]
    assert model.record["best_epoch"] == 1 + accuracies.index(max(accuracies))
    assert model.record["figures"]["overall"]["value"] == max(accuracies)
    assert history[0]["loss"] > 2 * history[-1]["loss"]


def test_training_follows_from_its_seed(made, features, model):
    rows, asked = made[2].rows(), made[2].asked
    again = train_answers(features, rows, asked, RECIPE, progress=False)
    for one, other in zip(jax.tree.leaves(model.variables), jax.tree.leaves(again.variables), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.record == model.record


def test_answers_held_out_teach_nothing(made, features, model):
    """Which they are is known from the seed alone: nonsense as their answers leaves the losses as they are."""
    rows, asked = made[2].rows(), made[2].asked
    nonsense = [
        question._replace(answer="seven", text="how many", human_answers=("seven",) * 10) if out else question
        for question, out in zip(asked, held_out(rows), strict=True)
    ]
    spoiled = train_answers(features, rows, nonsense, RECIPE, progress=False)
    losses, others = ([epoch["loss"] for epoch in each.record["history"]] for each in (model, spoiled))
    assert losses == others
    assert (model.words, model.answers) == (spoiled.words, spoiled.answers)
    assert spoiled.record["counts"]["unknown_answer_held_out"] == 12
    assert spoiled.record["figures"]["overall"]["value"] == 0
    assert spoiled.record["best_epoch"] == 1


def held_out(rows):
    return np.isin(rows, np.random.default_rng(RECIPE.seed).permutation(np.unique(rows))[:6])


def test_words_and_answers_are_the_most_frequent(made):
    """Of those that come as often, the first by the alphabet."""
    rows, asked = made[2].rows(), made[2].asked
    held, words, answers = choose_words(rows, asked, replace(RECIPE, answers=2))
    np.testing.assert_array_equal(held, held_out(rows))
    given = [question.answer for question, out in zip(asked, held, strict=True) if not out]
    assert answers == tuple(sorted(set(given), key=lambda answer: (-given.count(answer), answer))[:2])
    assert words == ("is", "square", "a", "colour", "red", "the", "there", "what")


def test_questions_with_rare_answers_are_not_trained_on(made, features, monkeypatch):
    rows, asked = made[2].rows(), made[2].asked
    _, _, answers = choose_words(rows, asked, replace(RECIPE, answers=2))
    known = np.array([question.answer in answers for question in asked])

    def look(net, recipe, data, train, judge, progress):
        np.testing.assert_array_equal(train, np.flatnonzero(known & ~held_out(rows)))
        raise InterruptedError

    monkeypatch.setattr(question_training, "_best_of_epochs", look)
    with pytest.raises(InterruptedError):
        train_answers(features, rows, asked, replace(RECIPE, answers=2))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"answers": 1}, "answers: got 1; give at least 2"),
        ({"answers": 6}, "answers: got 6, but the training questions have 5 answers"),
        ({"min_word_count": 100}, "no word is in more than 54 training questions; lower it"),
        ({"held_out": 1.0}, "held_out: got 1.0; give a share"),
        ({"learning_rate": 0.0}, "learning_rate: got 0.0"),
    ],
)
def test_recipes_that_cannot_be(made, features, options, message):
    with pytest.raises(ValueError, match=message):
        train_answers(features, made[2].rows(), made[2].asked, AnswerRecipe(**{"min_word_count": 2, **options}))


def test_too_little_to_train_on(features):
    asked = [Question(number, number, "what", "yes", ("yes",) * 10) for number in range(3)]
    with pytest.raises(ValueError, match="got 1 photos; give at least 2"):
        train_answers(features, [0, 0, 0], asked, RECIPE)
    with pytest.raises(ValueError, match="all 2 to train on have the answer 'yes'"):
        train_answers(features, [0, 1, 2], asked, RECIPE)


def test_shares_add_up_to_the_scores_of_the_net(model, made):
    """Words, photo and bias of each answer; the mean of its map's cells is the photo's share."""
    photo = read_image(made[2].photos[0].path)
    found = answer_question(colour_params(), model, photo, f"{IS_RED} Whence, oh?", top=9, size="cells")
    assert found.known == ("is", "there", "a", "red", "square")
    assert found.unknown == ("whence", "oh")
    assert sorted(found.answers) == sorted(model.answers)
    pooled = np.asarray(jaxcam.features(colour_params(), photo)).mean((0, 1))
    scores = np.asarray(model.net.apply(model.variables, bags_of([IS_RED], model.words), jnp.asarray(pooled)[None]))[0]
    columns = [model.answers.index(answer) for answer in found.answers]
    np.testing.assert_allclose(found.scores, scores[columns], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.words.sum(1) + found.photo + found.bias, scores[columns], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.maps.mean((1, 2)), found.photo, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.probabilities, (np.exp(scores) / np.exp(scores).sum())[columns], rtol=1e-4)
    assert found.probabilities.tolist() == sorted(found.probabilities, reverse=True)
    params = model.variables["params"]
    kernel, bias = (np.asarray(params["answers"][name], np.float64) for name in ("kernel", "bias"))
    words = np.asarray(params["embedding"]["embedding"], np.float64)[[model.words.index(word) for word in found.known]]
    np.testing.assert_allclose(found.words, (words @ kernel[:8, columns]).T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.bias, bias[columns], rtol=1e-5)
    cells = np.asarray(jaxcam.features(colour_params(), photo), np.float64)
    np.testing.assert_allclose(found.maps, (cells @ kernel[8:, columns]).transpose(2, 0, 1), rtol=1e-4, atol=1e-4)


def test_questions_that_cannot_be_answered(model, made):
    photo = read_image(made[2].photos[0].path)
    with pytest.raises(ValueError, match=r"knows none \(how, many\); the most frequent of the 8 .* are is, square, a"):
        answer_question(colour_params(), model, photo, "How many?")
    with pytest.raises(ValueError, match=r"knows none \(it has none\)"):
        answer_question(colour_params(), model, photo, " ?! ")
    with pytest.raises(ValueError, match="top: got 0"):
        answer_question(colour_params(), model, photo, COLOUR, top=0)
    with pytest.raises(ValueError, match=r"image: got shape \(1, 60, 80, 3\)"):
        answer_question(colour_params(), model, photo[None], COLOUR)
    with pytest.raises(ValueError, match=r"got features \(8, 8, 3\); the model was trained on \(y, x, 2\)"):
        answer_question(colour_params(), _narrower(model), photo, COLOUR)


def _narrower(model):
    params = model.variables["params"]
    kernel = params["answers"]["kernel"][:-1]
    return replace(model, variables={"params": {**params, "answers": {**params["answers"], "kernel": kernel}}})


def test_a_model_comes_back_as_it_was_saved(model, tmp_path):
    save_model(model, tmp_path)
    found = load_model(tmp_path)
    assert (found.words, found.answers, found.record) == (model.words, model.answers, model.record)
    assert found.net == model.net
    for one, other in zip(jax.tree.leaves(model.variables), jax.tree.leaves(found.variables), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_model_is_refused(model, tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(ValueError, match=r"it has no model\.safetensors; give the folder"):
        load_model(tmp_path)
    save_model(model, tmp_path)
    whole = path.read_bytes()
    for spoiled, message in (
        (whole[:-5], "damaged, or no safetensors"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), "its arrays are not as they were saved"),
        (whole.replace(b"colour", b"odour!"), "it is damaged, or not of jaxcam vqa train"),
    ):
        path.write_bytes(spoiled)
        with pytest.raises(ValueError, match=message):
            load_model(tmp_path)
    save_file({"a": np.zeros(1)}, path)
    with pytest.raises(ValueError, match="it is damaged, or not of jaxcam vqa train"):
        load_model(tmp_path)
    with pytest.raises(ValueError, match="record: got a value that JSON has not"):
        save_model(replace(model, record={"loss": float("nan")}), tmp_path)


def test_the_sheet_shows_every_share(model, made):
    """A photo, an empty place below it, and for each answer a heatmap and a chart, whose bars are the shares."""
    photo = read_image(made[2].photos[0].path)
    found = answer_question(colour_params(), model, photo, COLOUR, top=2)
    axes = draw_answering(photo, found, title="a_photo_with_a_name_of_more_than_30_letters.jpg").axes
    assert [each.get_title() for each in axes[::2]] == [
        "a_photo_with_a_name_of_more_t\N{HORIZONTAL ELLIPSIS}",
        *(f"{answer}  {share:.1%}" for answer, share in zip(found.answers, found.probabilities, strict=True)),
    ]
    for row, chart in enumerate(axes[3::2]):
        bars = [bar.get_width() for bar in chart.patches]
        np.testing.assert_allclose(bars, [*found.words[row], found.photo[row], found.bias[row]], rtol=1e-6)
        assert [label.get_text() for label in chart.get_yticklabels()] == [*found.known, "the photo", "bias"]
