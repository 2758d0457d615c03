"""Heatmaps of the same few images after every epoch, so that one sees localization emerge."""

import warnings
from collections import defaultdict
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import jax
import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from jaxcam.batches import Batch, batches
from jaxcam.box_rules import boxes
from jaxcam.class_names import distinct_names
from jaxcam.datasets import Dataset
from jaxcam.forward import kernel_of, logits
from jaxcam.geometry import iou, scale_boxes
from jaxcam.methods.activation import cam
from jaxcam.params import Params
from jaxcam.report.contact_sheet import Sample, draw_sample
from jaxcam.report.sheet import save_sheet
from jaxcam.whole_files import whole_file

FOLDER, SHEET = "heatmaps", "emergence.png"
COLUMNS = 10  # epochs of the sheet, at most
# In pixels; a power of two of them an inch, so that no size is rounded.
DPI, WIDTH, HEIGHT, HEAD, FOOT = 128, 288, 352, 48, 40
KEY = "heat and white box: the true class · green box: ground truth"


def choose_examples(dataset: Dataset, count: int = 8) -> Dataset:
    """A few examples of a data set, always the same: of as many classes as there can be, evenly spaced.

    >>> from jaxcam.datasets import Example
    >>> dataset = Dataset(tuple(Example(Path("photo.jpg"), label) for label in (0, 0, 0, 1, 2)), ("a", "b", "c"))
    >>> [example.label for example in choose_examples(dataset, 4)]
    [0, 1, 2, 0]
    """
    of_class = defaultdict(list)
    for example in dataset.examples:
        of_class[example.label].append(example)
    turns = zip_longest(*(of_class[label] for label in sorted(of_class)))
    in_turn = [example for turn in turns for example in turn if example is not None]
    # One of each class, and more of them while there is room; of more classes than that, some.
    return replace(dataset, examples=tuple(in_turn[: max(count, len(of_class))])).spread(count)


def no_heatmaps(params: Params) -> str:
    """Why a network's heatmaps cannot be drawn, in a line; "" where they can."""
    try:
        kernel_of(params)
    except ValueError as error:
        return f"heatmaps: none are drawn; {error}"
    return ""


def draw_heatmaps(params: Params, examples: Dataset) -> UInt8[np.ndarray, "h w 3"]:
    """A row of images as the network is given them, each with the map of its true class.

    A white box is that map's, a green one the data set's. The predicted class stands above, the true one below.

    Args:
        params: a network's with class activation maps.
        examples: of the network's classes, at least one.

    Returns:
        A picture, uint8 (h, w, 3).

    Raises:
        ValueError: for a network without a kernel (see `no_heatmaps`), no examples, or an image that cannot be read.
    """
    card, count = params.card, len(examples)
    (batch,) = batches(
        examples, batch_size=count, image_size=card.image_size, interpolation=card.preprocessing.interpolation
    )
    figure = Figure(figsize=(count * WIDTH / DPI, (HEIGHT + FOOT) / DPI), dpi=DPI, facecolor="white")
    for place, sample in enumerate(_samples(params, examples, batch)):
        left, bottom = (place + 0.05) / count, (FOOT + 0.11 * HEIGHT) / (HEIGHT + FOOT)
        axes = figure.add_axes((left, bottom, 0.9 / count, 0.73 * HEIGHT / (HEIGHT + FOOT)))
        axes.set_axis_off()
        draw_sample(axes, sample)
    figure.text(0.05 / count, 0.4 * FOOT / (HEIGHT + FOOT), KEY, size=8.5)
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is an empty frame
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def save_heatmaps(params: Params, examples: Dataset, folder: Path, epoch: float) -> Path | None:
    """Write `draw_heatmaps` as `heatmaps/epoch_003.png` of a run's folder, after half an epoch more `epoch_003_5.png`.

    Returns:
        The file; None where there are no examples, or the network has no class activation maps.
    """
    if len(examples) == 0 or no_heatmaps(params):
        return None
    # A point between the digits would sort before that of ".png".
    name = f"epoch_{epoch:07.3f}".rstrip("0").rstrip(".").replace(".", "_")
    path = folder / FOLDER / f"{name}.png"
    with whole_file(path) as file:
        Image.fromarray(draw_heatmaps(params, examples)).save(file, "PNG")
    return path


def save_emergence(folder: Path) -> Path | None:
    """Write `emergence.png` from what `save_heatmaps` wrote: a row an image, a column an epoch.

    Of more than `COLUMNS` epochs it shows as many, evenly spaced, the first and the last among them.

    Returns:
        The file; None where there are no heatmaps.

    Raises:
        ValueError: for heatmaps of different numbers of images.
    """
    found = sorted((_epoch(path), path) for path in (folder / FOLDER).glob("epoch_*.png"))
    if not found:
        return None
    shown = [found[place] for place in np.linspace(0, len(found) - 1, min(len(found), COLUMNS)).round().astype(int)]
    strips = [_read(path) for _, path in shown]
    if len({strip.shape for strip in strips}) > 1:
        raise ValueError(f"{folder / FOLDER}: got pictures of different sizes; move those of other runs away")
    # Images stand side by side in a strip, and below each other in its column.
    columns = [strip[:HEIGHT].reshape(HEIGHT, -1, WIDTH, 3).swapaxes(0, 1).reshape(-1, WIDTH, 3) for strip in strips]
    picture = np.concatenate(columns, axis=1)
    height, width = picture.shape[0] + HEAD + FOOT, picture.shape[1]
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    figure.figimage(picture, 0, FOOT, origin="upper")
    for column, (epoch, _) in enumerate(shown):
        x, y = (column + 0.5) * WIDTH / width, 1 - 0.7 * HEAD / height
        figure.text(x, y, f"epoch {epoch:g}", size=12, weight="bold", ha="center")
    figure.text(0.05 * WIDTH / width, 0.4 * FOOT / height, KEY, size=8.5)
    save_sheet(folder / SHEET, figure)
    return folder / SHEET


def _samples(params: Params, examples: Dataset, batch: Batch) -> list[Sample]:
    """What the network sees in each image, of its true class."""
    size, names = params.card.image_size, distinct_names(examples.classes, examples.class_ids)
    maps = np.asarray(cam(params, batch.images, batch.labels))
    found = np.asarray(boxes(maps, threshold=params.card.threshold))
    probabilities = np.asarray(jax.nn.softmax(logits(params, batch.images)))
    samples = []
    for row, (example, guess) in enumerate(zip(examples, probabilities.argmax(-1), strict=True)):
        in_file = np.array(example.boxes, np.float32).reshape(-1, 4)
        height, width = map(int, batch.sizes[row])
        truth = np.asarray(scale_boxes(in_file, (height, width), (size[0], size[1])))
        samples.append(
            Sample(
                photo=batch.images[row],
                map=maps[row],
                box=found[row],
                truth=truth,
                guess=names[int(guess)],
                probability=float(probabilities[row, guess]),
                label=names[example.label],
                class_right=bool(guess == example.label),
                box_right=bool((iou(np.tile(found[row], (len(truth), 1)), truth) >= 0.5).any()),
            )
        )
    return samples


def _epoch(path: Path) -> float:
    return float(path.stem.removeprefix("epoch_").replace("_", "."))


def _read(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
