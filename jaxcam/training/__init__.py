"""Training: a recipe, a pure step and a loop that can be cut off anywhere."""

from jaxcam.training.loop import train
from jaxcam.training.step import TrainState, run_step, start, train_step

__all__ = ["TrainState", "run_step", "start", "train", "train_step"]
