"""What is timed of jaxcam's training."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from benchmarks.subjects import LEARNING_RATE, WEIGHT_DECAY, Subject
from benchmarks.with_jaxcam import params_of

from jaxcam.batches import Batch
from jaxcam.training import make_parallel, start
from jaxcam.training.recipes import Recipe


def training(subject: Subject) -> Callable[[], np.ndarray]:
    """A training step: normalize, forward, backward, SGD with momentum and decay; gives all losses so far.

    The step also computes the accuracy and the norm of the gradients.
    """
    size, count = subject.size, subject.batch_size
    options: dict[str, Any] = {"crop": "placed", "crop_size": size, "flip": False, "ema": 0.0, "warmup_epochs": 0.0}
    options |= {"schedule": "steps", "decay_every": 10**6}  # a constant rate
    options |= {"learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY}
    recipe = Recipe(network=subject.network, batch_size=count, bfloat16=subject.dtype == "bfloat16", **options)
    devices = make_parallel("jit", recipe, devices=jax.devices()[:1])
    params = params_of(replace(subject, dtype="float32"))  # as weights are kept
    state = devices.place(start(params, recipe, steps=1000, steps_an_epoch=100.0))
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
