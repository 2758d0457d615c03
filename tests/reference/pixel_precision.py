"""PxAP as wsol's evaluator defines it, in float64: one histogram an image, one threshold after another."""

import numpy as np

THRESHOLDS = np.arange(0, 1, 0.001)


def scaled(values):
    """A map between 0 and 1; zeros for one that is constant or has a NaN."""
    values = values.astype(np.float64)
    if np.isnan(values).any() or values.min() == values.max():
        return np.zeros_like(values)
    values = values - values.min()
    return values / values.max()


def histogram(maps, truth, wanted):
    """Scores of the pixels with the truth `wanted`, by half-open bins from each threshold to the next, then from 1."""
    total = np.zeros(len(THRESHOLDS) + 1, np.int64)
    for values, labels in zip(maps, truth, strict=True):
        total += np.histogram(scaled(values)[labels == wanted], bins=np.append(THRESHOLDS, [1, 2]))[0]
    return total


def average_precision(maps, truth):
    """Percent: for thresholds from 1 down, the precision of all pixels that reach it times the recall it adds."""
    scores = np.concatenate([scaled(values)[labels < 2] for values, labels in zip(maps, truth, strict=True)])
    labels = truth[truth < 2]
    total, last_recall = 0.0, 0.0
    for threshold in [1.0, *THRESHOLDS[::-1]]:
        found = labels[scores >= threshold]
        recall = found.sum() / labels.sum()
        if len(found):
            total += found.mean() * (recall - last_recall)
        last_recall = recall
    return 100 * total
