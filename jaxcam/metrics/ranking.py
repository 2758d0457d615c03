"""How well scores put what is relevant first."""

import numpy as np
from jaxtyping import Bool, Float


def average_precision(scores: Float[np.ndarray, " n"], relevant: Bool[np.ndarray, " n"]) -> float:
    """The mean, over what is relevant, of the share of relevant ones among all that score no less.

    AP = sum_t (R_t - R_(t-1)) P_t over the different scores t, from the highest on, with P_t and R_t the precision and
    recall of what scores t or more; so the order of equal scores is no matter.

    Args:
        scores: (n,), higher is more.
        relevant: (n,) which are to come first; at least one.

    Returns:
        In (0, 1].

    Raises:
        ValueError: for no relevant one.

    >>> average_precision(np.array([0.9, 0.5, 0.1]), np.array([True, False, True]))
    0.8333333333333333
    """
    if not relevant.any():
        raise ValueError("relevant: got none of them; average precision needs one at least")
    levels, place = np.unique(-scores, return_inverse=True)
    right = np.bincount(place, weights=relevant, minlength=len(levels))
    reached = np.cumsum(np.bincount(place, minlength=len(levels)))
    return float(np.sum(right * np.cumsum(right) / reached) / relevant.sum())
