"""`jaxcam vqa`: questions about photos, answered by a small network on pooled features, and taken apart."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train the simple baseline, a bag of words and pooled features, on VQA's files; write OUT/model.safetensors.

    The features are kept in OUT/features, so that an interrupted pass goes on, and another training needs none.

    Attributes:
        questions: the questions to train on, such as v2_OpenEnded_mscoco_train2014_questions.json.
        annotations: their answers, such as v2_mscoco_train2014_annotations.json.
        images: the folder of their photos, whose names end in the image's id, as COCO_train2014_000000000009.jpg does.
        val_questions: the questions of another split to measure the model on, once, when it is finished; with the next
            two.
        val_annotations: their answers.
        val_images: the folder of their photos.
        checkpoint: the network whose features are used: a bundled name, or a folder (with a separator: ./mine).
        answers: how many of the most frequent answers it chooses from; 1000 by default, or all where there are fewer.
        min_word_count: words that are in fewer training questions are unknown to the model.
        width: of a word's embedding.
        epochs: passes over the questions; the best on the photos held out is kept.
        batch_size: questions a step.
        learning_rate: of Adam.
        held_out: share of the training photos whose questions choose the best epoch, and are not trained on.
        seed: of all random choices.
        on_error: at photos that are missing or damaged, stop, or skip their questions and say how many there were.
        out: folder for the model, training.json and the features.
    """

    questions: Path
    annotations: Path
    images: Path
    val_questions: Path | None = None
    val_annotations: Path | None = None
    val_images: Path | None = None
    checkpoint: str = "tiny_imagenet"
    answers: int | None = None
    min_word_count: int = 6
    width: int = 800
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 1e-3
    held_out: float = 0.1
    seed: int = 0
    on_error: Literal["stop", "skip"] = "stop"
    out: Path

    def run(self) -> int:
        """Train, measure, write the model and what is known of it, and print the figures."""
        validation = (self.val_questions, self.val_annotations, self.val_images)
        if None in validation and validation != (None, None, None):
            raise ValueError(
                "--val-questions, --val-annotations, --val-images: got some of them; give all three, or none"
            )
        from jaxcam.applications.question_runs import train_on_files
        from jaxcam.applications.question_training import AnswerRecipe

        names = ("answers", "min_word_count", "width", "epochs", "batch_size", "learning_rate", "held_out", "seed")
        recipe = AnswerRecipe(**{name: getattr(self, name) for name in names})
        files = (self.questions, self.annotations, self.images)
        held_back: Any = None if None in validation else validation
        how: dict[str, Any] = {"checkpoint": self.checkpoint, "on_error": self.on_error}
        print(train_on_files(files, self.out, recipe, validation=held_back, **how))
        return 0


@dataclass(frozen=True, kw_only=True)
class Explain:
    """Answer a question about a photo, and show what speaks for each answer: a PNG, and JSON beside it.

    Attributes:
        question: in the words of the training questions, whose order is no matter.
        photo: the image file.
        model: the folder that `jaxcam vqa train` wrote.
        checkpoint: where the network is that the model was trained on, if it has moved since.
        top: number of answers, the most probable first.
        out: folder for PHOTO.HASH.answers.png and PHOTO.HASH.answers.json, with 8 digits of the question's hash.
    """

    question: str
    photo: Path
    model: Path
    checkpoint: str | None = None
    top: int = 3
    out: Path = Path("out")

    def run(self) -> int:
        """Answer, and write and print what is found."""
        from jaxcam.applications.question_runs import explain_photo

        print(explain_photo(self.model, self.photo, self.question, self.out, checkpoint=self.checkpoint, top=self.top))
        return 0


def vqa(
    action: Annotated[
        Annotated[Train, tyro.conf.subcommand("train")] | Annotated[Explain, tyro.conf.subcommand("explain")],
        tyro.conf.arg(name=""),
    ],
) -> int:
    """Answer questions about photos, and show which words and which places speak for an answer.

    Args:
        action: to train a model, or to explain its answers.
    """
    return action.run()
