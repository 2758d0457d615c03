"""Training: a recipe, a pure step and a loop that can be cut off anywhere."""

from importlib import import_module
from typing import Any

# Imported when first asked for: the command line reads the recipes, and starts without JAX.
_MODULE_OF = {
    "Parallel": "jaxcam.training.parallel",
    "Preempted": "jaxcam.training.preemption",
    "TrainState": "jaxcam.training.step",
    "make_parallel": "jaxcam.training.parallel",
    "start": "jaxcam.training.step",
    "train": "jaxcam.training.loop",
    "train_step": "jaxcam.training.step",
}

__all__ = ["Parallel", "Preempted", "TrainState", "make_parallel", "start", "train", "train_step"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'jaxcam.training' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_MODULE_OF[name]), name)
