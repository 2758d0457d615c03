"""What training starts with: the images, and the weights, fresh or a checkpoint's."""

import os
import sys
from dataclasses import fields, replace
from typing import Any, cast

import jax

from jaxcam.batches import check_squash
from jaxcam.card import Card
from jaxcam.checkpoints import describe, load
from jaxcam.class_names import comparable
from jaxcam.datasets import Dataset
from jaxcam.networks import Classifier
from jaxcam.params import Params, default_card, find_entry, init, make_network, network_shapes
from jaxcam.training.optimization import HEAD_LAYERS
from jaxcam.training.recipes import Recipe

# What a network with pooled class maps is called after the plain one that it is made of.
MADE_OF_PLAIN = ("_gap", "_gmp")

# Sides of loaded images for crops of 1: that of 256 pixels for 224, and from which on crops show too little.
USUAL_LOAD, LARGEST_LOAD = 256 / 224, 1.5


def split(dataset: Dataset, holdout: float) -> tuple[Dataset, Dataset]:
    """The images to train on, and the share `holdout` of them, evenly spread, that is left out to measure on."""
    count = round(len(dataset) * holdout)
    if len(dataset) - count < 1:
        raise ValueError(f"dataset: got {len(dataset)} images, of which {count} are held out; give more")
    held = {(2 * part + 1) * len(dataset) // (2 * count) for part in range(count)}
    left = tuple(example for index, example in enumerate(dataset.examples) if index not in held)
    return replace(dataset, examples=left), replace(dataset, examples=tuple(dataset[index] for index in sorted(held)))


def tell_of_none(dataset: Dataset, holdout: float) -> None:
    """Say on stderr what a run lacks where the share of a few images that is to be held out is none of them."""
    if holdout and not round(len(dataset) * holdout) and jax.process_index() == 0:
        lacking = "no heatmaps are drawn, and no accuracy is measured"
        print(f"holdout: {holdout} of {len(dataset)} images is none; {lacking}: give a larger share", file=sys.stderr)


def is_made_of(network: str, plain: str | None) -> bool:
    """Whether a network of that name pools the class maps of the plain one of the other.

    >>> is_made_of("vgg16_gap", "vgg16"), is_made_of("alexnet_plus_gap", "alexnet")  # whose layers are others
    (True, False)
    """
    return network in [f"{plain}{ending}" for ending in MADE_OF_PLAIN]


def initial_params(dataset: Dataset, recipe: Recipe, initial: str | os.PathLike | None) -> Params:
    """Fresh weights for the data set's classes; with `initial`, that checkpoint's weights as far as they fit.

    The network is then the checkpoint's; but that of the recipe where it is made of it: `vgg16_gap` of a `vgg16`, whose
    body it takes over whole, with those of its options that the recipe does not set, and whose head it does not. Where
    the classes are the checkpoint's, as `jaxcam.evaluation.check_classes` tells them (by WordNet ids where both have
    them), their names, ids and threshold stay the checkpoint's; otherwise a line on stderr says that the head is fresh.

    Raises:
        ValueError: for a network that is not in the table, even where the checkpoint's is used; where a body does not
            fit; or for placed crops larger than the images they are taken from, or much smaller without being set.
    """
    find_entry(recipe.network)
    old = None if initial is None else load(initial)
    card = old.card if old else default_card(recipe.network, ())
    known, given = comparable(card.classes, card.class_ids, dataset.classes, dataset.class_ids)
    same_classes = old is not None and known == given
    if same_classes:
        card = replace(card, class_ids=card.class_ids or dataset.class_ids)
    else:  # a threshold was chosen for other classes
        card = replace(card, classes=dataset.classes, class_ids=dataset.class_ids, threshold=Card().threshold)
    check_squash(card)
    if recipe.image_size is not None:
        card = replace(card, image_size=(recipe.image_size, recipe.image_size))
    check_crop(recipe, card)
    key = jax.random.key(recipe.seed)
    if old is None or initial is None:
        if recipe.body_rate == 0:
            raise ValueError("body_rate: got 0, which keeps a body as it is; give an initial checkpoint (--init)")
        return init(recipe.network, key, card=card, **recipe.network_options())
    plain = describe(initial).get("network")
    if plain and is_made_of(recipe.network, plain):
        options = {**_body_options(old, plain, recipe.network), **recipe.network_options()}
        return _with_body(init(recipe.network, key, card=card, **options), old, f"{initial} ({plain})")
    if not same_classes and jax.process_index() == 0:
        told = f"{len(old.card.classes)} other classes"
        print(f"{initial} tells {told} apart: the head for {len(dataset.classes)} is fresh", file=sys.stderr)
    # A network of the table, since no other was named to `load`.
    network = cast("Classifier", old.network).for_classes(len(dataset.classes))
    return _with_weights(init(network, key, card=card), old, same_classes)


def check_crop(recipe: Recipe, card: Card) -> None:
    """Refuse placed crops that the loaded images do not hold, or that show so little of them that nobody meant it."""
    size, loaded = recipe.crop_size or card.image_size[0], recipe.load_size or card.image_size[0]
    if recipe.crop != "placed":
        return
    if size > loaded:
        raise ValueError(f"crop_size: got {size} out of {loaded} pixels; give a larger load_size, or crop resized")
    if recipe.crop_size is None and loaded > LARGEST_LOAD * size:
        raise ValueError(
            f"load_size: got {loaded} pixels, of which crops as large as the images of the network, {size}, show "
            f"{(size / loaded) ** 2:.0%}; give --load-size {round(size * USUAL_LOAD)}, or --crop-size {size} to mean it"
        )


def _with_weights(fresh: Params, old: Params, same_classes: bool) -> Params:
    """The weights of the same network for other classes, where they do not depend on these."""
    one_more = cast("Classifier", fresh.network).for_classes(len(fresh.card.classes) + 1)

    def choose(new, kept, with_one_more):
        # What grows with the classes means nothing for other classes, even where their number is the same.
        fits = new.shape == kept.shape and (same_classes or new.shape == with_one_more.shape)
        return kept if fits else new

    shapes = network_shapes(one_more, fresh.card)
    return fresh.replace(variables=jax.tree.map(choose, fresh.variables, old.variables, shapes))


def _body_options(old: Params, plain: str, pooling: str) -> dict[str, Any]:
    """The options by which a checkpoint's body differs from the usual plain one, for the network made of it.

    Those by which the two networks always differ, such as the pooling that alexnet_gap leaves out, are not among them.
    """
    own, usual = cast("Classifier", old.network).backbone, make_network(plain, 1).backbone
    made = make_network(pooling, 1).backbone
    values = {field.name: getattr(own, field.name) for field in fields(usual) if field.name not in ("parent", "name")}
    return {
        name: value
        for name, value in values.items()
        if value != getattr(usual, name) and getattr(usual, name) == getattr(made, name)
    }


def _with_body(fresh: Params, old: Params, name: str) -> Params:
    """The weights of a plain network's body in one that pools class maps, whose head stays fresh."""
    before, missing = dict(jax.tree.leaves_with_path(old.variables)), []

    def choose(path: Any, new: Any) -> Any:
        names = [step.key for step in path]
        # A head's leaves fit by chance: it weighs other features.
        if names[1] == "head" or any(name in HEAD_LAYERS for name in names):
            return new
        kept = before.get(path)
        if kept is None or kept.shape != new.shape:
            missing.append("/".join(names))
            return new
        return kept

    variables = jax.tree.map_with_path(choose, fresh.variables)
    if missing:
        raise ValueError(
            f"initial: {name} has no {', '.join(missing[:3])} of the shape that the recipe's network needs "
            f"({len(missing)} such arrays); train the checkpoint's own network, or import its weights into the other"
        )
    return fresh.replace(variables=variables)
