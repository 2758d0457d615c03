"""The figures of a network on a data set."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxcam.batches import Batch
from jaxcam.checkpoints.hashes import leaf_hashes
from jaxcam.class_names import distinct_names
from jaxcam.datasets import Dataset
from jaxcam.evaluation._steps import Seen, look
from jaxcam.evaluation.inputs import check_classes, check_network, threshold_of
from jaxcam.evaluation.journal import Journal, of_all_hosts
from jaxcam.evaluation.outcomes import Line, outcome, skipped
from jaxcam.evaluation.passes import steps
from jaxcam.evaluation.protocol import Protocol
from jaxcam.evaluation.summary import summarize
from jaxcam.params import Params
from jaxcam.records import Record
from jaxcam.report.table import Report

THREADS = 8  # that sweep the maps' thresholds


def evaluate(
    params: Params,
    dataset: Dataset,
    *,
    protocol: Protocol = Protocol(),
    threshold: float | None = None,
    batch_size: int = 64,
    limit: int | None = None,
    on_error: str = "stop",
    journal: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Report:
    """Classification and localization accuracy on a data set, beside boxes that need no network.

    An image is squashed to the card's size S x S, its maps are thresholded on that grid and the corners scaled by
    (W/S, H/S) without rounding, so IoU is taken in the image file's own pixels. GT-known asks for the map of the true
    class, whatever was predicted. MaxBoxAcc, MaxBoxAccV2 and PxAP are taken from that map in the WSOL benchmark's
    frame, whatever the rule.

    The images of a batch are shared among this host's devices, those of the data set among the hosts of
    `jax.distributed`; every host returns the whole report. The figures depend on neither, nor on the batch size, but
    for float32's rounding.

    Args:
        params: a network's; its card names the data set's classes.
        dataset: what to evaluate on; without boxes or masks only classification is counted.
        protocol: how maps and boxes are made, such as `jaxcam.evaluation.Protocol(rule="wsol")`.
        threshold: share of a map's maximum, above 0 and at most 1; None for the card's. The rule "release" takes none,
            and its five guesses are two boxes of the first two classes and one of the third.
        batch_size: images a step, shared among the devices.
        limit: evaluate only so many images, evenly spaced over the data set.
        on_error: "stop" at an unreadable image, or "skip" and count it.
        journal: a file for what was found in each image, written batch by batch. A file that is there already is gone
            on with, so that an interrupted evaluation can be run again and ends with the same report.
        progress: show images a second, time left and the figures so far on stderr.

    Returns:
        A Report: counts, baselines, and figures with 95% bootstrap intervals; `print` it for the table.

    Raises:
        ValueError: for classes other than the card's, an option out of range, options that do not go together, an
            unreadable image, or the journal of an evaluation with other settings.

    >>> import jax, jaxcam, numpy, pathlib, tempfile
    >>> from jaxcam.datasets import folder
    >>> from PIL import Image
    >>> card = jaxcam.Card(classes=("cat", "dog"), image_size=(32, 32))
    >>> params = jaxcam.init("resnet10", jax.random.key(0), card=card, width=8, stem="small")
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in card.classes:
    ...         pathlib.Path(home, name).mkdir()
    ...         Image.fromarray(numpy.zeros((40, 50, 3), numpy.uint8)).save(f"{home}/{name}/1.png")
    ...     report = jaxcam.evaluate(params, folder(home), batch_size=2, progress=False)
    >>> report.figures["top1_accuracy"]
    Figure(value=50.0, low=0.0, high=100.0, n=2)

    Source: protocol of ILSVRC CLS-LOC; Zhou et al., CVPR 2016, arXiv 1512.04150; Choe et al., CVPR 2020, arXiv
    2001.07437.
    """
    params = protocol.settle(params)
    cut = threshold_of(params.card, protocol, threshold)
    dataset = dataset if limit is None else dataset.spread(limit)
    localize = any(example.boxes or example.masks for example in dataset)
    check_classes(params.card, dataset)
    check_network(params, protocol, localize=localize)
    settings = {**asdict(protocol), "threshold": cut, "image_size": params.card.image_size}
    hashes = {"params": params_hash(params), "dataset": dataset_hash(dataset), "jaxcam": version("jaxcam")}
    kept = Journal(journal, {**settings, **hashes})
    options: dict[str, Any] = {"localize": localize, "batch_size": batch_size, "on_error": on_error}
    lines = of_all_hosts(partial(_lines, params, dataset, cut, kept, protocol=protocol, progress=progress, **options))
    # What the data set's reader left out has no place in its order.
    lines += [{"skipped": reason} for reason in dataset.skipped]
    seen, left_out = [line for line in lines if "skipped" not in line], [line for line in lines if "skipped" in line]
    if not seen:
        first = f"; the first: {left_out[0]['skipped']}" if left_out else ""
        raise ValueError(f"dataset: none of {len(left_out)} images could be read{first}")
    return Report(
        **summarize(seen, dataset, distinct_names(params.card.classes, params.card.class_ids)),
        **settings,
        canvas=protocol.canvas(params.card.image_size),
        num_classes=len(params.card.classes),
        skipped=tuple(line["skipped"] for line in left_out),
        predictions=tuple(lines),
    )


def params_hash(params: Params) -> str:
    """SHA-256 over the network, the card, and the names, shapes, types and values of all leaves."""
    network = re.sub(r" at 0x[0-9a-f]+", "", repr(params.network))  # where a function lies in memory
    return _sha256((network, params.card, sorted(leaf_hashes(params.variables).items())))


def dataset_hash(dataset: Dataset) -> str:
    """SHA-256 over the classes and the images' paths, labels, boxes and masks, in order."""
    files = (one.path.shard if isinstance(one.path, Record) else one.path for one in dataset)
    # From another folder the same relative paths are other files.
    place = None if all(file.is_absolute() for file in files) else Path.cwd()
    return _sha256((dataset.classes, dataset.examples, place))


def _sha256(values: Any) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()


def _lines(
    params: Params,
    dataset: Dataset,
    cut: float | None,
    journal: Journal,
    *,
    protocol: Protocol,
    on_error: str,
    progress: bool,
    **options: Any,
) -> list[Line]:
    """The lines of this host's images, those of the journal first."""
    lines, left = _done_and_left(journal, len(dataset))
    if len(left) == 0:
        return lines
    part = replace(dataset, examples=tuple(dataset[index] for index in left.tolist()))
    values = np.array(0 if cut is None else cut, np.float32)
    passed = steps(params, part, look, values, protocol=protocol, index=left, on_error=on_error, **options)

    so_far = _SoFar(lines)
    line = partial(_line, part, left, protocol, protocol.grid(params.card.image_size), on_error)
    bar = tqdm(total=len(lines) + len(left), initial=len(lines), unit=" images", disable=not progress)
    with bar, ThreadPoolExecutor(THREADS) as pool:
        for batch, seen in passed:
            fresh = list(pool.map(partial(line, batch, seen), np.flatnonzero(batch.index >= 0).tolist()))
            journal.append(fresh)
            lines += fresh
            so_far.add(fresh)
            bar.set_postfix(so_far.shown(), refresh=False)
            bar.update(len(fresh))
    return lines


def _line(
    part: Dataset, left: np.ndarray, protocol: Protocol, grid: Any, on_error: str, batch: Batch, seen: Seen, row: int
) -> Line:
    """The line of a row of a batch, of those images of the data set that are `left`."""
    index, example = int(left[batch.index[row]]), part[int(batch.index[row])]
    if not batch.mask[row]:
        return skipped(index, example)
    found = jax.tree.map(lambda array: array[row], seen)
    try:
        return outcome(index, example, batch.sizes[row], found, protocol=protocol, grid=grid)
    except ValueError:  # one of its masks cannot be read
        if on_error == "stop":
            raise
        return skipped(index, example)


def _done_and_left(journal: Journal, images: int) -> tuple[list[Line], np.ndarray]:
    """This host's lines in the journal, and the indices of its other images."""
    mine = range(jax.process_index(), images, jax.process_count())
    # An image that was skipped once is read again: it may have been for a moment.
    done = {index: line for index, line in journal.done.items() if "skipped" not in line}
    lines = [done[index] for index in mine if index in done]
    return lines, np.array([index for index in mine if index not in done], np.int32)


class _SoFar:
    """Top-1 and GT-known of the lines until now, for the progress bar."""

    def __init__(self, lines: Sequence[Line]):
        self.right, self.of = Counter[str](), Counter[str]()
        self.add(lines)

    def add(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if "skipped" in line:
                continue
            verdicts = {"top1": line["top5"][0] == line["label"]}
            overlap = line.get("true_class", {}).get("iou")
            if overlap is not None:
                verdicts["gt_known"] = overlap >= 0.5
            self.right.update(verdicts)
            self.of.update(verdicts.keys())

    def shown(self) -> dict[str, str]:
        return {name: f"{100 * self.right[name] / total:.1f}" for name, total in self.of.items()}
