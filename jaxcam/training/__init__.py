"""Training: a recipe, a pure step and a loop that can be cut off anywhere."""

from jaxcam.training.loop import train
from jaxcam.training.recipes import FOLDER, TINY_IMAGENET, Recipe
from jaxcam.training.step import TrainState, start, train_step

__all__ = ["FOLDER", "TINY_IMAGENET", "Recipe", "TrainState", "start", "train", "train_step"]
