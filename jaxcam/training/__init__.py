"""Training: a recipe, a pure step and a loop that can be cut off anywhere."""

from jaxcam.training.loop import train
from jaxcam.training.parallel import Parallel, make_parallel
from jaxcam.training.step import TrainState, start, train_step

__all__ = ["Parallel", "TrainState", "make_parallel", "start", "train", "train_step"]
