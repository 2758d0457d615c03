"""What is timed of jaxcam: each function gives one that does the work once, and waits for its result."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.made_maps import OVERLAP, THRESHOLD, THRESHOLDS, made_maps, made_targets
from benchmarks.subjects import LEARNING_RATE, WEIGHT_DECAY, Subject, photos_in
from jaxtyping import Array

import jaxcam
from jaxcam.batches import Batch, batches
from jaxcam.box_rules.wsol import grey_maps
from jaxcam.box_rules.wsol_sweep import sweep_boxes
from jaxcam.datasets import Dataset, Example
from jaxcam.evaluation import Protocol
from jaxcam.evaluation._steps import look
from jaxcam.evaluation.passes import steps
from jaxcam.evaluation.summary import summarize
from jaxcam.forward import forward_pixels, kernel_of, preprocess
from jaxcam.methods.activation import cam_from_features
from jaxcam.metrics import max_box_counts
from jaxcam.metrics.max_box_accuracy import OVERLAPS
from jaxcam.training import make_parallel, start
from jaxcam.training.recipes import Recipe


def params_of(subject: Subject) -> jaxcam.Params:
    """The network with the subject's weights, fed with images of the subject's size."""
    params = _params_of(subject)
    return params.replace(card=replace(params.card, image_size=(subject.size, subject.size)))


def _params_of(subject: Subject) -> jaxcam.Params:
    if not subject.file.exists():
        return jaxcam.init(subject.network, jax.random.key(0), num_classes=1000)
    if subject.network == "vgg16_gap":
        return _vgg16_gap(subject.file)
    return jaxcam.import_weights(subject.file, subject.network)[0]


def _vgg16_gap(file: Path) -> jaxcam.Params:
    """torchvision has no such network: its VGG-16 is imported, and the layers behind are put in by hand."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(file)
    plain = {name: weight for name, weight in weights.items() if name.startswith("features")}
    for layer in (0, 3, 6):  # fully connected ones, which only the plain network has
        plain |= {f"classifier.{layer}.weight": np.zeros((1, 1), np.float32)}
        plain |= {f"classifier.{layer}.bias": np.zeros(1, np.float32)}
    save_file(plain, file.with_suffix(".plain.safetensors"))
    shared = jaxcam.import_weights(
        file.with_suffix(".plain.safetensors"), "vgg16_gap", num_classes=1000, key=jax.random.key(0)
    )[0]
    leaves: Any = shared.variables["params"]
    convolution = _leaves(weights, "cam.0", lambda kernel: kernel.transpose(2, 3, 1, 0))
    head = {"classifier": _leaves(weights, "classifier", lambda kernel: kernel.T)}
    return shared.replace(
        variables={"params": {"backbone": {**leaves["backbone"], "cam_conv": convolution}, "head": head}}
    )


def _leaves(weights, name, turn):
    return {"kernel": jnp.asarray(turn(weights[f"{name}.weight"])), "bias": jnp.asarray(weights[f"{name}.bias"])}


def forward_pass(subject: Subject) -> Callable[[], Array]:
    """The scores alone."""
    params, images = params_of(subject), subject.images()
    return lambda: jax.block_until_ready(jaxcam.logits(params, images))


def class_maps(subject: Subject) -> Callable[[], Array]:
    """Maps of the predicted class."""
    params, images = params_of(subject), subject.images()
    return lambda: jax.block_until_ready(jaxcam.cam(params, images))


def explained(subject: Subject, *, top: int, maps: bool = True, gives: str = "maps") -> Callable[[], Array | None]:
    """The top classes with their maps and boxes, or their boxes alone; gives a part of them by its name."""
    params, images = params_of(subject), subject.images()

    def run() -> Array | None:
        why = jaxcam.explain(params, images, top=top, maps=maps)
        jax.block_until_ready((why.maps, why.boxes))
        return getattr(why, gives)

    return run


def gradient_maps(subject: Subject, *, top: int = 1) -> Callable[[], Array]:
    """Grad-CAM of the top classes, from 0 to 1."""
    params, images = params_of(subject), subject.images()

    def run() -> Array:
        labels = jax.lax.top_k(jaxcam.logits(params, images), top)[1] if top > 1 else None
        return jax.block_until_ready(jaxcam.normalize(jaxcam.grad_cam(params, images, labels), method="minmax"))

    return run


def masked_maps(subject: Subject) -> Callable[[], Array]:
    """Score-CAM of the first class, from 0 to 1."""
    params, images = params_of(subject), subject.images()
    return lambda: jax.block_until_ready(jaxcam.normalize(jaxcam.score_cam(params, images), method="minmax"))


def map_stages(subject: Subject, *, top: int = 5) -> dict[str, Callable[[], Any]]:
    """The parts of `jaxcam.explain`, each on what the part before gives."""
    params, images = params_of(subject), subject.images()
    pixels = jax.block_until_ready(preprocess(params, images))
    features, scores = forward_pixels(params, pixels)
    labels = jax.lax.top_k(scores, top)[1]
    kernel, size = kernel_of(params), images.shape[1:3]
    maps = jax.block_until_ready(cam_from_features(features, kernel, labels, size=size))
    return {
        "preprocess": lambda: jax.block_until_ready(preprocess(params, images)),
        "network": lambda: jax.block_until_ready(forward_pixels(params, pixels)),
        "top classes": lambda: jax.block_until_ready(jax.lax.top_k(scores, top)),
        "weigh and enlarge": lambda: jax.block_until_ready(cam_from_features(features, kernel, labels, size=size)),
        "boxes": lambda: jax.block_until_ready(jaxcam.boxes(maps)),
        "to the host": lambda: np.array(maps),
    }


def largest_boxes(count: int, *, cells: int) -> Callable[[], np.ndarray]:
    """Boxes of maps that are on the device already."""
    maps = jax.device_put(made_maps(count, cells=cells))
    return lambda: np.asarray(jaxcam.boxes(maps, threshold=THRESHOLD))


def swept_accuracy(count: int, *, cells: int, threads: int) -> Callable[[], np.ndarray]:
    """The share of maps whose largest contour has a fitting box at each threshold, as `jaxcam.evaluate` takes it."""
    maps, targets = jax.device_put(made_maps(count, cells=cells)), made_targets(count)
    pool = ThreadPoolExecutor(threads)

    def right_at_each(grey: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        counts = max_box_counts(*sweep_boxes(grey, thresholds=THRESHOLDS), targets=boxes)
        return np.asarray(counts.largest)[OVERLAPS.index(OVERLAP)]

    def run() -> np.ndarray:
        return np.mean(list(pool.map(right_at_each, np.asarray(grey_maps(maps)), targets)), axis=0)

    return run


def made_labels(subject: Subject, *, photos: str, count: int) -> tuple[int, ...]:
    """Classes for the photos in a folder: of every second one what the network says, of the others any."""
    params = params_of(subject)
    labels = np.random.default_rng(3).integers(len(params.card.classes), size=count)
    dataset = dataset_of(params, photos, labels.tolist())
    for batch in batches(dataset, batch_size=subject.batch_size, image_size=params.card.image_size):
        said = np.asarray(jaxcam.logits(params, batch.images)).argmax(axis=1)
        chosen = batch.mask & (batch.index % 2 == 0)
        labels[batch.index[chosen]] = said[chosen]
    return tuple(labels.tolist())


def dataset_of(params: jaxcam.Params, photos: str, labels: Sequence[int]) -> Dataset:
    """The photos in a folder, with the network's classes."""
    examples = tuple(Example(photo.path, photo.label, (photo.box,)) for photo in photos_in(photos, labels))
    return Dataset(examples, params.card.classes, params.card.class_ids)


def evaluation(subject: Subject, *, photos: str, labels: Sequence[int]) -> Callable[[], np.ndarray]:
    """Percent of the photos in a folder: top-5 classification and localization, GT-known, MaxBoxAcc."""
    params = params_of(subject)
    dataset = dataset_of(params, photos, labels)

    def run() -> np.ndarray:
        report = jaxcam.evaluate(params, dataset, batch_size=subject.batch_size, progress=False)
        names = ("top5_accuracy", "top5_localization", "gt_known", "max_box_acc")
        return np.array([report.figures[name].value for name in names])

    return run


def evaluation_stages(subject: Subject, *, photos: str, labels: Sequence[int]) -> dict[str, Callable[[], Any]]:
    """What an evaluation is made of: its files, and the compiled step on batches that are there already."""
    params = params_of(subject)
    dataset = dataset_of(params, photos, labels)
    options: dict[str, Any] = {"batch_size": subject.batch_size, "image_size": params.card.image_size}
    read = list(batches(dataset, **options))
    passed = partial(steps, params, dataset, look, np.array(THRESHOLD, np.float32), protocol=Protocol(), localize=True)
    report = jaxcam.evaluate(params, dataset, batch_size=subject.batch_size, progress=False)
    return {
        "decode and squash": lambda: list(batches(dataset, **options)),
        "network": lambda: [jax.block_until_ready(jaxcam.logits(params, batch.images)) for batch in read],
        "decode, network, maps and boxes": lambda: list(passed(batch_size=subject.batch_size)),
        "figures of what was found": lambda: summarize(report.predictions, dataset, params.card.classes),
        "all": lambda: jaxcam.evaluate(params, dataset, batch_size=subject.batch_size, progress=False),
    }


def training(subject: Subject) -> Callable[[], np.ndarray]:
    """A float32 training step: normalize, forward, backward, SGD with momentum and decay; gives all losses so far.

    The step also computes the accuracy and the norm of the gradients.
    """
    size, count = subject.size, subject.batch_size
    options: dict[str, Any] = {"crop": "placed", "crop_size": size, "flip": False, "ema": 0.0, "warmup_epochs": 0.0}
    options |= {"schedule": "steps", "decay_every": 10**6}  # a constant rate
    options |= {"learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY}
    recipe = Recipe(network=subject.network, batch_size=count, **options)
    devices = make_parallel("jit", recipe, devices=jax.devices()[:1])
    state = devices.place(start(params_of(subject), recipe, steps=1000, steps_an_epoch=100.0))
    labels, index = np.arange(count, dtype=np.int32), np.arange(count, dtype=np.int32)
    batch = Batch(subject.images(), labels, np.ones(count, bool), index, np.ones((count, 2), np.int32))
    losses: list[float] = []

    def run() -> np.ndarray:
        nonlocal state
        state, measured = devices.step(state, batch)
        jax.block_until_ready((state, measured))
        losses.append(float(measured["loss"]))
        return np.array(losses)

    return run


def save_checkpoint(network: str, folder: str, out: str) -> None:
    """The network as a checkpoint, for commands."""
    jaxcam.save(params_of(Subject(network, folder)), out)
