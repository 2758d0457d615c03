"""How a step runs on several devices, of one host or many: compiled for a mesh of them, or mapped over replicas."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxcam.batches import Batch
from jaxcam.compilation import cpu_options
from jaxcam.training.recipes import Recipe
from jaxcam.training.step import TrainState, train_step

AXIS = "data"
WAYS = ("jit", "pmap")


class Parallel(NamedTuple):
    """One way to run `train_step` on some devices, each of which takes its share of a batch.

    Attributes:
        name: "jit": one program for a mesh of the devices, in which XLA puts what they tell each other. "pmap": a
            program a device, which tell each other their means by name. Both compute the same.
        devices: of all hosts.
    """

    name: str
    devices: tuple[jax.Device, ...]

    @property
    def here(self) -> tuple[jax.Device, ...]:
        """The devices of this host."""
        return tuple(device for device in self.devices if device.process_index == jax.process_index())

    @property
    def sharding(self) -> NamedSharding:
        """Of arrays that all devices of all hosts have, which is how checkpoints hold a state."""
        return _shardings(self.devices).whole

    def place(self, state: TrainState) -> TrainState:
        """A state from one device of each host on all of them."""
        if self.name == "jit":
            return jax.tree.map(lambda leaf: _joined(leaf, leaf.shape, self.sharding, self.here), state)
        split, count = _shardings(self.here).split, len(self.here)
        return jax.tree.map(lambda leaf: _joined(leaf[None], (count, *leaf.shape), split, self.here), state)

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Any]]:
        """`train_step` on all devices.

        Args:
            state: as placed, or as returned; it is used up.
            batch: the rows of this host.

        Returns:
            The next state, and metrics; those of "pmap" once a device of this host.
        """
        if self.name == "jit":
            return _mesh_step(self.devices)(state, jax.tree.map(self._spread, batch))
        count = len(self.here)
        shares = jax.tree.map(lambda rows: rows.reshape(count, -1, *rows.shape[1:]), batch)
        return _replica_step(self.devices)(state, jax.device_put(shares, _shardings(self.here).split))

    def whole(self, state: TrainState) -> TrainState:
        """A placed state as arrays that all devices have."""
        if self.name == "jit":
            return state
        return self._gathered(state, self.devices)

    def one(self, state: TrainState) -> TrainState:
        """A placed state on the first device of this host alone."""
        if self.name == "jit":
            return jax.tree.map(lambda leaf: leaf.addressable_data(0), state)
        return self._gathered(state, self.here[:1])

    def _spread(self, rows):
        """Rows of this host on its devices, as its part of the rows of all."""
        parts = [jax.device_put(*part) for part in zip(np.split(rows, len(self.here)), self.here, strict=True)]
        shape = (parts[0].shape[0] * len(self.devices), *rows.shape[1:])
        return jax.make_array_from_single_device_arrays(shape, _shardings(self.devices).split, parts)

    def _gathered(self, state, devices):
        sharding = _shardings(devices).whole
        here = tuple(device for device in devices if device in self.here)

        def join(leaf):
            held = {shard.device: shard.data for shard in leaf.addressable_shards}
            return jax.make_array_from_single_device_arrays(
                leaf.shape[1:], sharding, [held[device][0] for device in here]
            )

        return jax.tree.map(join, state)


def make_parallel(name: str, recipe: Recipe, *, devices: Sequence[jax.Device] | None = None) -> Parallel:
    """One of `WAYS`, on all devices of all hosts.

    Args:
        name: "jit" or "pmap".
        recipe: its batch is shared evenly among the devices, part by part.
        devices: fewer, or others.

    Raises:
        ValueError: for another name, or a batch that cannot be shared evenly.

    >>> make_parallel("jit", Recipe(batch_size=32), devices=jax.devices()[:1]).name
    'jit'
    """
    devices = tuple(jax.devices() if devices is None else devices)
    if name not in WAYS:
        raise ValueError(f"parallel: got {name!r}; use {' or '.join(WAYS)}")
    pair = 2 if recipe.mixup or recipe.cutmix else 1  # which is not to be parted
    least = len(devices) * recipe.accumulate
    if recipe.batch_size % least or (recipe.batch_size // len(devices)) % pair:
        parts = f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
        pairs = ", with an even number of images each, which are mixed in pairs" if pair == 2 else ""
        raise ValueError(
            f"batch_size: got {recipe.batch_size} for {len(devices)} devices{parts}; give a multiple of {least}{pairs}"
        )
    return Parallel(name, devices)


class _Shardings(NamedTuple):
    whole: NamedSharding  # of what every device has
    split: NamedSharding  # of rows that they share


@lru_cache(maxsize=8)
def _mesh_step(devices: tuple[jax.Device, ...]) -> Callable[..., Any]:
    whole = _shardings(devices).whole
    return jax.jit(train_step, donate_argnums=0, out_shardings=(whole, whole), compiler_options=cpu_options())


@lru_cache(maxsize=8)
def _replica_step(devices: tuple[jax.Device, ...]) -> Callable[..., Any]:
    step = partial(train_step, axis_name=AXIS)
    return jax.pmap(step, axis_name=AXIS, devices=devices, donate_argnums=0)


def _shardings(devices: tuple[jax.Device, ...]) -> _Shardings:
    mesh = Mesh(np.array(devices), (AXIS,))
    return _Shardings(NamedSharding(mesh, P()), NamedSharding(mesh, P(AXIS)))


def _joined(leaf: jax.Array, shape: tuple[int, ...], sharding: NamedSharding, devices: Sequence[jax.Device]) -> Any:
    """One array of a copy on each of this host's devices, and of those that the other hosts have."""
    copies = [jax.device_put(leaf, device) for device in devices]
    return jax.make_array_from_single_device_arrays(shape, sharding, copies)
