"""jaxcam beside torch, by turns in one run: python scripts/benchmark.py train --network resnet18 --threads 2."""

import sys
import time
from statistics import median

import jax
import numpy as np
import torch
import tyro
from torchvision import models

from jaxcam import init
from jaxcam.batches import Batch
from jaxcam.training import make_parallel, start
from jaxcam.training.recipes import Recipe


def train(network: str = "resnet18", batch_size: int = 32, size: int = 224, rounds: int = 9, threads: int = 2) -> None:
    """Time one float32 training step of each: normalize, forward, backward, SGD with momentum and decay.

    Args:
        network: a name that jaxcam and torchvision share; torch runs it eagerly, channels last.
        batch_size: images a step.
        size: their side, in pixels.
        rounds: steps of each, after one that is not counted; their medians are compared.
        threads: of torch; JAX takes all cores.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch_size, size, size, 3), np.uint8)
    labels, ones = rng.integers(0, 1000, batch_size).astype(np.int32), np.ones((batch_size, 2), np.int32)
    batch = Batch(images, labels, np.ones(batch_size, bool), np.arange(batch_size, dtype=np.int32), ones)
    recipe = Recipe(network=network, crop="placed", crop_size=size, batch_size=batch_size, ema=0.0, warmup_epochs=0.0)
    devices = make_parallel("jit", recipe, devices=jax.devices()[:1])
    params = init(network, jax.random.key(0), num_classes=1000)
    state = devices.place(start(params, recipe, steps=1000, steps_an_epoch=100.0))
    torch.set_num_threads(threads)
    peer = getattr(models, network)().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(peer.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    targets = torch.tensor(labels, dtype=torch.long)
    times: dict[str, list[float]] = {"jaxcam": [], "torch": []}
    for _ in range(1 + rounds):
        began = time.perf_counter()
        state, measured = devices.step(state, batch)
        jax.block_until_ready((state, measured))
        times["jaxcam"].append(time.perf_counter() - began)
        began = time.perf_counter()
        pixels = (torch.tensor(images).permute(0, 3, 1, 2) / 255 - mean) / std
        loss = torch.nn.functional.cross_entropy(peer(pixels), targets, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times["torch"].append(time.perf_counter() - began)
    ours, theirs = (batch_size / median(seconds[1:]) for seconds in times.values())
    print(f"jaxcam {ours:.1f} images/s, torch {theirs:.1f} images/s, jaxcam / torch {ours / theirs:.2f}")


if __name__ == "__main__":
    sys.exit(tyro.extras.subcommand_cli_from_dict({"train": train}, args=sys.argv[1:]))
