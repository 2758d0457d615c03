"""The units that a class is made of, and the images that activate them most: the CAM paper's class-specific units.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 5; how units
are shown is Zhou et al.'s, "Object Detectors Emerge in Deep Scene CNNs", ICLR 2015, arXiv 1412.6856.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from tqdm import tqdm

from jaxcam.applications._top_activations import TopActivations
from jaxcam.applications.receptive_fields import ReceptiveField, receptive_field
from jaxcam.applications.unit_files import FoundUnits
from jaxcam.batches import batches
from jaxcam.compilation import jit_network
from jaxcam.datasets import Dataset
from jaxcam.evaluation.figures import dataset_hash, params_hash
from jaxcam.evaluation.inputs import check_network
from jaxcam.evaluation.outcomes import skipped
from jaxcam.evaluation.passes import steps
from jaxcam.evaluation.protocol import Protocol
from jaxcam.forward import forward, kernel_of
from jaxcam.methods.activation import cam_from_features
from jaxcam.methods.cut import cells_of
from jaxcam.params import Params
from jaxcam.report.unit_sheet import ClassUnits, TopImage, Unit


def find_units(
    params: Params,
    dataset: Dataset,
    labels: Sequence[int],
    *,
    num_units: int = 6,
    num_images: int = 8,
    top_share: float = 0.005,
    batch_size: int = 64,
    on_error: str = "stop",
    state: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> FoundUnits:
    """For classes the units with the largest weights, and for each of these the images that activate it most.

    Unit k is channel f_k of the last feature map, and its weight for class c is w_k^c of the linear layer, so that
    w_k^c mean(f_k) is its part in the class score. An image activates it by max_p f_k(p), p over cells; of images that
    do equally, the first of the data set stands first. All units of all classes are looked at in one pass.

    A segment is where the unit's activation, upsampled bilinearly, is above

        T_k = the smallest activation a with share(f_k(p) > a) <= top_share,

    the share over all cells p of all images, as in Network Dissection. It is exact: of each unit as many of the highest
    activations are kept as may be above, and one.

    Args:
        params: a network's that ends in pooling and one linear layer.
        dataset: any images; their labels are only shown, and need not be the network's.
        labels: classes of the network.
        num_units: units a class, at least 1.
        num_images: images a unit, at least 1 and no more than there are.
        top_share: above 0 and below 1.
        batch_size: images a step, shared among the devices.
        on_error: "stop" at an unreadable image, or "skip" and count it.
        state: a file for what the pass has found so far, written now and then. One that is there already is gone on
            with; it is left to the caller to delete it when all is done.
        progress: show images a second and time left on stderr.

    Returns:
        A FoundUnits, which depends neither on the batch size nor on the number of devices but for float32's rounding.

    Raises:
        ValueError: for a network without a linear head, a class out of range, an option out of range, an unreadable
            image, activations that are not finite, or the state of a pass with other settings.

    Source: Zhou et al., CVPR 2016, arXiv 1512.04150; Bau et al., "Network Dissection", CVPR 2017, arXiv 1704.05796.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import jaxcam
    >>> from jaxcam.datasets import folder
    >>> from PIL import Image
    >>> as_is = jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))
    >>> card = jaxcam.Card(("red", "green", "blue"), image_size=(8, 8), preprocessing=as_is)
    >>> colours = jaxcam.from_functions(
    ...     lambda _, images: images,
    ...     lambda kernel, cells: cells.mean((1, 2)) @ kernel,
    ...     lambda kernel: kernel,
    ...     variables=jnp.eye(3),
    ...     card=card,
    ... )
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("blue", "red"):
    ...         Path(home, name).mkdir()
    ...         Image.new("RGB", (8, 8), name).save(f"{home}/{name}/1.png")
    ...     found = find_units(colours, folder(home), [0], num_units=1, num_images=1, progress=False)
    >>> found.classes[0].units[0].labels()
    {'red': 1}
    """
    kernel, chosen = _kernel(params), list(dict.fromkeys(labels))
    _check(kernel, dataset, chosen, num_units, num_images, top_share)
    ranked = {label: np.argsort(-kernel[:, label], kind="stable")[:num_units] for label in chosen}
    units = np.unique(np.concatenate(list(ranked.values())))
    settings: dict[str, Any] = {"units": units.tolist(), "num_images": num_images, "top_share": top_share}
    settings |= {"params": params_hash(params), "dataset": dataset_hash(dataset), "jaxcam": version("jaxcam")}
    kept = TopActivations(len(units), num_images, len(dataset), top_share, settings, state)
    _pass(params, dataset, units, kept, batch_size, on_error, progress)
    if kept.images < num_images:
        raise ValueError(f"num_images: got {num_images}, and only {kept.images} images can be read; give no more")
    field, unknown = _field(params)
    shown = dict(zip(units.tolist(), _shown(params, dataset, units, kept, field, batch_size), strict=True))
    thresholds = dict(zip(units.tolist(), kept.thresholds().tolist(), strict=True))
    classes = []
    for label, order in ranked.items():
        found = [Unit(k, float(kernel[k, label]), thresholds[k], shown[k]) for k in order.tolist()]
        classes.append(ClassUnits(label, _name(params, label), tuple(found)))
    return FoundUnits(
        tuple(classes),
        field=field,
        unknown=unknown,
        images=kept.images,
        cells=tuple(kept.grid.tolist()),
        image_size=params.card.image_size,
        top_share=top_share,
        skipped=(*dataset.skipped, *(skipped(place, dataset[place])["skipped"] for place in kept.skipped.tolist())),
    )


def _kernel(params: Params) -> Float[np.ndarray, "k c"]:
    check_network(params, Protocol(), localize=False)
    try:
        return np.asarray(kernel_of(params))
    except ValueError:
        raise ValueError(
            "params: this network has no linear layer over pooled features (no kernel), so no weights to rank "
            "units by; `jaxcam networks` lists those that have one, with cam: yes"
        ) from None


def _name(params: Params, label: int) -> str:
    classes = params.card.classes
    return classes[label] if classes else f"class {label}"


def _check(
    kernel: np.ndarray, dataset: Dataset, labels: Sequence[int], num_units: int, num_images: int, top_share: float
) -> None:
    units, classes = kernel.shape
    if not labels or not all(0 <= label < classes for label in labels):
        raise ValueError(f"labels: got {list(labels)}; give classes of the network, 0 to {classes - 1}")
    if not 1 <= num_units <= units:
        raise ValueError(f"num_units: got {num_units}; give at least 1, and no more than the network's {units}")
    if not dataset:
        raise ValueError("dataset: got no images")
    if not 1 <= num_images <= len(dataset):
        raise ValueError(f"num_images: got {num_images}; give at least 1, and no more than the {len(dataset)} images")
    if not 0 < top_share < 1:
        raise ValueError(f"top_share: got {top_share}; give a share of the cells, above 0 and below 1")


def _pass(
    params: Params,
    dataset: Dataset,
    units: np.ndarray,
    kept: TopActivations,
    batch_size: int,
    on_error: str,
    progress: bool,
) -> None:
    """Look at the images that a pass before this one has left, in order."""
    if on_error == "stop" and len(kept.skipped):
        why = f"{dataset[int(kept.skipped[0])].path} is the first of {len(kept.skipped)} that it left out"
        raise ValueError(f"{kept.path}: begun with on_error='skip', and {why}; finish it so, or delete the file")
    done = int(kept.done)
    if done == len(dataset):
        return
    how: dict[str, Any] = {"protocol": Protocol(), "batch_size": batch_size, "on_error": on_error}
    passed = steps(params, dataset[done:], _activations, units.astype(np.int32), **how)
    with tqdm(total=len(dataset), initial=done, desc="units", unit=" images", disable=not progress) as bar:
        for batch, activations in passed:
            given = batch.index >= 0
            kept.add(activations[given], batch.mask[given])
            bar.update(int(given.sum()))


def _activations(params: Params, rows: Any, units: Array, *, protocol: Protocol) -> Float[Array, "b y x u"]:
    """The compiled step: some channels of the last feature map."""
    return jnp.take(_cells(params, jnp.asarray(rows.images)), units, axis=-1)


def _shown(
    params: Params,
    dataset: Dataset,
    units: np.ndarray,
    kept: TopActivations,
    field: ReceptiveField | None,
    batch_size: int,
) -> list[tuple[TopImage, ...]]:
    """The top images of each unit with their segments, for which these few are read once more."""
    places, scores, cells = kept.places.ravel().tolist(), kept.scores.ravel().tolist(), kept.cells.ravel().tolist()
    examples = tuple(dataset[place] for place in places)
    columns, thresholds = (np.repeat(array, kept.places.shape[1]) for array in (units, kept.thresholds()))
    size, how = params.card.image_size, params.card.preprocessing.interpolation
    part, images = replace(dataset, examples=examples), []
    for batch in batches(part, batch_size=batch_size, image_size=size, interpolation=how):
        maps = np.asarray(_maps(params, batch.images, columns[batch.index].astype(np.int32)))
        for row, at in zip(np.flatnonzero(batch.mask), batch.index.tolist(), strict=False):
            path, label = str(examples[at].path), dataset.classes[examples[at].label]
            y, x = divmod(cells[at], int(kept.grid[1]))
            seen = None if field is None else field.box((y, x))
            found = (scores[at], (y, x), seen, batch.images[row], maps[row] > thresholds[at])
            images.append(TopImage(places[at], path, label, *found))
    number = kept.places.shape[1]
    return [tuple(images[first : first + number]) for first in range(0, len(images), number)]


@jit_network
def _maps(params: Params, images: Array, units: Int[Array, " b"]) -> Float[Array, "b h w"]:
    """Of each image the map of one unit: that of a class which has this unit alone."""
    cells = _cells(params, images)
    return cam_from_features(cells, jnp.eye(cells.shape[-1]), units, size=params.card.image_size)


def _cells(params: Params, images: Array) -> Float[Array, "b y x k"]:
    cells = cells_of(forward(params, images)[0], params.network.token_grid)
    if cells.ndim != 4:
        raise ValueError(f"params: got a network with features {cells.shape}; units are channels of cells (b, y, x, k)")
    return cells


def _field(params: Params) -> tuple[ReceptiveField | None, str]:
    """The receptive field of a cell, or why it is not known."""
    try:
        return receptive_field(params), ""
    except ValueError as error:
        return None, str(error)
