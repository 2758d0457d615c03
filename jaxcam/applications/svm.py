"""Linear SVMs, by scikit-learn and so by LIBLINEAR.

Fan et al., "LIBLINEAR: A Library for Large Linear Classification", Journal of Machine Learning Research 9, 2008.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

PENALTIES = (0.1, 1.0, 10.0, 100.0)  # that cross-validation chooses C from
FOLDS = 3


class LinearSvm(NamedTuple):
    """One score a class: kernel.T f / |f| + bias, of features f.

    Attributes:
        kernel: (k, c), a column a class.
        bias: (c,).
        classes: (c,) the label that each column stands for.
        penalty: C, the weight of the training images' losses.
        held_out: accuracy on the training images while cross-validation held them out, the best of
            all C.
    """

    kernel: Float[np.ndarray, "k c"]
    bias: Float[np.ndarray, " c"]
    classes: Int[np.ndarray, " c"]
    penalty: float
    held_out: float | None = None

    def columns(self, features: Float[np.ndarray, "n k"]) -> Int[np.ndarray, " n"]:
        """The column of the predicted class of each image; `classes[columns]` is its label."""
        return self.scores(features).argmax(axis=1)

    def scores(self, features: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n c"]:
        """The score of every column for each image."""
        return _unit(features) @ self.kernel + self.bias


def check_svm(labels: Int[np.ndarray, " n"]) -> None:
    """Refuse, before there are any features, what no SVM can be trained on.

    Args:
        labels: (n,) of the training images.

    Raises:
        ValueError: as `fit_svm`.

    >>> check_svm(np.array([5, 5, 7]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: train: got 2 classes with images, and 1 of one of them; give ...
    """
    try:
        import sklearn.model_selection
        import sklearn.svm  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"SVMs are trained by scikit-learn, which cannot be imported ({error}): pip install 'jaxcam[applications]'"
        ) from None
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 2:
        raise ValueError(
            f"train: got {len(counts)} classes with images, and {min(counts, default=0)} of one of them; "
            "give at least 2 classes, and 2 images of each to choose C by cross-validation"
        )


def fit_svm(
    features: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"], *, scoring: str = "accuracy"
) -> LinearSvm:
    """A linear SVM, one class against all others, with C chosen by cross-validation on these very images.

    Args:
        features: (n, k), divided by their lengths here.
        labels: (n,).
        scoring: what the best C has most of, a name of scikit-learn's.

    Raises:
        ValueError: for fewer than two classes, or two images of a class; or without scikit-learn.

    >>> features = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    >>> svm = fit_svm(features, np.array([5, 7, 9, 5, 7, 9]))
    >>> svm.classes[svm.columns(features)].tolist()
    [5, 7, 9, 5, 7, 9]
    """
    check_svm(labels)
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.svm import LinearSVC

    classes, counts = np.unique(labels, return_counts=True)
    folds = StratifiedKFold(min(FOLDS, counts.min()), shuffle=True, random_state=0)
    search = GridSearchCV(LinearSVC(dual=False), {"C": PENALTIES}, cv=folds, scoring=scoring).fit(
        _unit(features), labels
    )
    best = search.best_estimator_
    kernel, bias = best.coef_.T, best.intercept_
    if len(classes) == 2:  # scikit-learn's has one column then, for the second class
        kernel, bias = kernel * [-1, 1], bias * [-1, 1]
    return LinearSvm(kernel, bias, classes, best.C, float(search.best_score_))


def _unit(features):
    """Each row divided by its length, so that one C suits many networks; a row of zeros stays."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)
