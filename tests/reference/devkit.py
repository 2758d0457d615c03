"""What ILSVRC's development kit does with a prediction file, in plain NumPy, step by step as eval_clsloc.m does it.

Rows of predictions are label xmin ymin xmax ymax five times over; corners are 0-based and inclusive, as in XML files.
"""

import numpy as np


def read_numbers(text):
    """A table of numbers, shorter lines filled up with zeros (MATLAB's dlmread)."""
    rows = [[float(word) for word in line.split()] for line in text.splitlines()]
    table = np.zeros((len(rows), max(map(len, rows))))
    for row, numbers in zip(table, rows, strict=True):
        row[: len(numbers)] = numbers
    return table


def overlaps(box, objects, label):
    """Intersection over union of a box with each object of a label, of which there are (label, box) pairs.

    Corners belong to the box, hence the ones.
    """
    found = []
    for known, truth in objects:
        if known != label:
            continue
        width = min(box[2], truth[2]) - max(box[0], truth[0]) + 1
        height = min(box[3], truth[3]) - max(box[1], truth[1]) + 1
        if width <= 0 or height <= 0:
            found.append(0.0)
            continue
        both = width * height
        areas = [(corners[2] - corners[0] + 1) * (corners[3] - corners[1] + 1) for corners in (box, truth)]
        found.append(both / (sum(areas) - both))
    return np.array(found)


def errors(predictions, labels, objects, blacklist, most_guesses):
    """Classification and localization error of the first `most_guesses` guesses of each image.

    predictions (n, 5 k); labels (n,); objects [(label, box)] of each image; blacklist: numbers of images, from 1.
    """
    predictions = predictions[:, : 5 * most_guesses]
    guessed = predictions[:, 0::5]
    class_error = np.mean([np.min(guessed[image] != labels[image]) for image in range(len(labels))])
    missed = np.zeros(len(labels))
    for image in range(len(labels)):
        if image + 1 in blacklist:
            continue
        of_guess = []
        for guess in range(guessed.shape[1]):
            differs = float(guessed[image, guess] != labels[image])
            too_far = np.ones(1)
            if not differs:
                box = predictions[image, 5 * guess + 1 : 5 * guess + 5]
                too_far = (overlaps(box, objects[image], labels[image]) < 0.5).astype(float)
            of_guess.append(np.min(np.maximum(too_far, differs)))
        missed[image] = min(of_guess)
    return class_error, missed.sum() / (len(labels) - len(blacklist))
