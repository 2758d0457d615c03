"""How a step runs on several devices: compiled for a mesh of them, or mapped over replicas."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxcam.batches import Batch
from jaxcam.training.step import TrainState, train_step

AXIS = "data"


class Parallel(NamedTuple):
    """One way to run `train_step` on some devices, each of which takes its share of a batch.

    Attributes:
        name: "jit": one program for a mesh of the devices, in which XLA puts what they tell each other. "pmap": a
            program a device, which tell each other their means by name. Both compute the same.
        devices: of this host.
    """

    name: str
    devices: tuple[jax.Device, ...]

    def place(self, state: TrainState) -> TrainState:
        """A state from one device on all of them."""
        if self.name == "jit":
            return jax.device_put(state, _shardings(self.devices)[0])
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(self.devices), *leaf.shape)), state)

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Any]]:
        """`train_step` on all devices; the state given is used up. Metrics of "pmap" come once a device."""
        if self.name == "jit":
            return _mesh_step(self.devices)(state, jax.device_put(batch, _shardings(self.devices)[1]))
        shares = jax.tree.map(lambda rows: rows.reshape(len(self.devices), -1, *rows.shape[1:]), batch)
        return _replica_step(self.devices)(state, shares)

    def one(self, state: TrainState) -> TrainState:
        """The state on the first device alone."""
        if self.name == "pmap":
            state = jax.tree.map(lambda leaf: leaf[0], state)
        return jax.device_put(state, self.devices[0])


WAYS = ("jit", "pmap")


def make_parallel(name: str, batch_size: int, *, devices: Sequence[jax.Device] | None = None) -> Parallel:
    """One of `WAYS`, on all devices of this host.

    Args:
        name: "jit" or "pmap".
        batch_size: images a step, shared evenly among the devices.
        devices: fewer, or others.

    Raises:
        ValueError: for another name, or a batch that cannot be shared evenly.

    >>> make_parallel("jit", 32, devices=jax.devices()[:1]).name
    'jit'
    """
    devices = tuple(jax.local_devices() if devices is None else devices)
    if name not in WAYS:
        raise ValueError(f"parallel: got {name!r}; use {' or '.join(WAYS)}")
    if batch_size % len(devices):
        raise ValueError(f"batch_size: got {batch_size} for {len(devices)} devices; give a multiple")
    return Parallel(name, devices)


@lru_cache(maxsize=8)
def _mesh_step(devices: tuple[jax.Device, ...]) -> Any:
    whole, _ = _shardings(devices)
    return jax.jit(train_step, donate_argnums=0, out_shardings=(whole, whole))


@lru_cache(maxsize=8)
def _replica_step(devices: tuple[jax.Device, ...]) -> Any:
    step = partial(train_step, axis_name=AXIS)
    return jax.pmap(step, axis_name=AXIS, devices=devices, donate_argnums=0)


def _shardings(devices: tuple[jax.Device, ...]) -> tuple[NamedSharding, NamedSharding]:
    """Of what each device has whole, and of the rows that they share."""
    mesh = Mesh(np.array(devices), (AXIS,))
    return NamedSharding(mesh, P()), NamedSharding(mesh, P(AXIS))
