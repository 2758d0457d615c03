"""What is timed of jaxcam: each function gives one that does the work once, and waits for its result."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.subjects import Subject
from jaxtyping import Array

import jaxcam
from jaxcam.forward import forward_pixels, kernel_of, preprocess
from jaxcam.methods.activation import cam_from_features


def params_of(subject: Subject) -> jaxcam.Params:
    """The network with the subject's weights, fed with images of the subject's size, computing in its dtype."""
    params = _params_of(subject).astype(subject.dtype)
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


def save_checkpoint(network: str, folder: str, out: str) -> None:
    """The network as a checkpoint, for commands."""
    jaxcam.save(params_of(Subject(network, folder)), out)
