"""`Params`: the weights of a network together with the network and the card that says how to feed and read it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import FlaxError
from jaxtyping import Array

from jaxcam.card import Card
from jaxcam.networks import NETWORKS, Classifier, Entry, Functions
from jaxcam.networks.rescored import Rescored

DTYPES = ("float32", "bfloat16", "float16")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Params:
    """A PyTree of weights that knows its network: the first argument of everything in jaxcam.

    Attributes:
        variables: the leaves; `variables["params"]` is what an optimizer sees.
        network: a Flax Linen `Classifier`, `Functions`, or one of them with other scores (static, hashable).
        card: static, hashable.

    >>> import jax, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8)
    >>> doubled = jax.tree.map(lambda leaf: 2 * leaf, params)
    >>> doubled.card == params.card
    True
    """

    variables: Any
    network: Classifier | Functions | Rescored = field(metadata={"static": True})
    card: Card = field(metadata={"static": True})

    def replace(self, **changes: Any) -> "Params":
        """The same with other variables, network or card."""
        return replace(self, **changes)

    def astype(self, dtype: str) -> "Params":
        """The same with weights of another dtype, in which the network then computes, such as bfloat16.

        BatchNorm keeps its statistics, and scores, gradients and maps are float32. Features are of that dtype. A
        checkpoint of such params loads as float32.

        Args:
            dtype: "float32", "bfloat16" or "float16".

        Raises:
            ValueError: for another dtype, or a network that is no `Classifier`.

        >>> import jax, jaxcam
        >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8)
        >>> params.astype("bfloat16").variables["params"]["head"]["classifier"]["kernel"].dtype
        dtype(bfloat16)
        """
        if dtype not in DTYPES:
            raise ValueError(f"dtype: got {dtype!r}; use {', '.join(DTYPES)}")
        if not isinstance(self.network, Classifier):
            raise ValueError(
                f"params: got a network of type {type(self.network).__name__}; functions of one's own compute as they "
                "are written, and other scores are made of params that were cast before"
            )
        cast = jax.tree.map(lambda leaf: leaf.astype(dtype), self.variables["params"])
        return self.replace(variables={**self.variables, "params": cast})


def init(
    network: str | Classifier, key: Array, *, num_classes: int | None = None, card: Card | None = None, **options: Any
) -> Params:
    """Fresh weights of a network.

    Args:
        network: a name of `jaxcam.networks.NETWORKS`, or a `Classifier`.
        key: a `jax.random.key`.
        num_classes: number of classes c; by default as many as the card names.
        card: how images are fed and classes named; by default as the table of networks says (for a `Classifier`,
            ImageNet's means at 224x224), and "class 0", "class 1"...
        options: of the named network, such as `width=32` or `stem="small"` of a ResNet.

    Returns:
        The params, float32.

    Raises:
        ValueError: for an unknown name or option, no number of classes, or one that contradicts the card.

    >>> import jax, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> params.variables["params"]["head"]["classifier"]["kernel"].shape
    (64, 5)
    """
    if isinstance(network, str):
        if num_classes is None:
            if card is None or not card.classes:
                raise ValueError("num_classes: got none; give num_classes=, or a card= that names the classes")
            num_classes = len(card.classes)
        module = make_network(network, num_classes, **options)
    elif options:
        raise ValueError(f"options: got {', '.join(options)} with a network object; set them on the network itself")
    else:
        module = network
    total = module.head.num_classes
    if total < 1 or num_classes not in (None, total):
        raise ValueError(f"num_classes: got {num_classes} for a network of {total}; give at least 1, the same to both")
    if card is None:
        names = tuple(f"class {index}" for index in range(total))
        card = default_card(network, names) if isinstance(network, str) else Card(names)
    if len(card.classes) != total:
        raise ValueError(f"num_classes: the network has {total}, the card names {len(card.classes)}; make them equal")
    try:
        return Params(_fresh_variables(module, key, sample_pixels(card)), module, card)
    except (TypeError, ArithmeticError, LookupError, FlaxError) as error:
        raise _no_network(error) from error


@partial(jax.jit, static_argnums=0, compiler_options={"xla_backend_optimization_level": 0})
def _fresh_variables(module, key, pixels):
    """Compiled once for equal networks; not optimized, since it runs once."""
    return module.init(key, pixels)


def make_network(name: str, num_classes: int, /, **options: Any) -> Classifier:
    """The network of that name in the table, its options made plain."""
    options = {option: plain_option(value) for option, value in options.items()}
    if options.keys() & {"name", "parent"}:  # every Flax module has these fields, which are no options
        raise ValueError(f"network {name}: got options {options}; name and parent are none of its options")
    try:
        return find_entry(name).build(num_classes, **options)
    except (TypeError, ArithmeticError, LookupError) as error:
        raise ValueError(f"network {name}: got options {options}: {error}") from None


def plain_option(value: Any) -> Any:
    """An option of a network with a list of JSON's as a tuple, and an integer of NumPy's as Python's.

    >>> plain_option([[2, np.int64(1)], "max"])
    ((2, 1), 'max')
    """
    if type(value) in (list, tuple):  # no named tuple, which would lose its names
        return tuple(plain_option(part) for part in value)
    return int(value) if isinstance(value, np.integer) else value


def find_entry(name: str) -> Entry:
    """The line of that name in the table of networks, or a ValueError that lists the known ones."""
    if name not in NETWORKS:
        raise ValueError(f"network: got {name!r}; known are {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]


def default_card(name: str, classes: tuple[str, ...]) -> Card:
    """The card of a network of the table, fed as it was designed."""
    entry = find_entry(name)
    return Card(classes, image_size=(entry.image_size, entry.image_size), preprocessing=entry.preprocessing)


def network_shapes(network: Any, card: Card) -> Any:
    """The variables of a network for images of a card's size, as `jax.ShapeDtypeStruct`s: nothing is computed.

    A network that was traced before, as by `init`, is not traced again.

    Raises:
        ValueError: for a network whose options contradict each other or the size.
    """
    try:
        # No image is made, which would take memory: its size may be a hostile file's.
        pixels = jax.ShapeDtypeStruct((1, *card.image_size, card.channels), jnp.float32)
        return _fresh_variables.eval_shape(network, jax.random.key(0), pixels)
    except (TypeError, ArithmeticError, LookupError, FlaxError) as error:
        raise _no_network(error) from error


def _no_network(error: Exception) -> ValueError:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return ValueError(f"network: its options make no network: {reason[0][:200]}")


def sample_pixels(card: Card) -> Array:
    """A black image of the card's size, as a network is given it: (1, h, w, channels) float32."""
    return jnp.zeros((1, *card.image_size, card.channels), jnp.float32)


def from_functions(
    features: Callable[[Any, Array], Array],
    logits: Callable[[Any, Array], Array],
    kernel: Callable[[Any], Array] | None = None,
    *,
    variables: Any = None,
    card: Card | None = None,
    token_grid: tuple[int, ...] | None = None,
) -> Params:
    """One's own model as `Params`: the same three functions that every network of jaxcam has.

    The functions get the variables first, so new weights need no new trace and gradients reach them. They are compared
    by identity: make them once. They may compute in another dtype, such as bfloat16: features are in it, and scores,
    kernels, gradients and maps become float32.

    Args:
        features: (variables, images (b, h, w, channels) float32, preprocessed) -> (b, y, x, k).
        logits: (variables, features) -> (b, c).
        kernel: variables -> (k, c), the weights of a linear layer over pooled features; without it `cam` is refused.
        variables: any PyTree of arrays.
        card: how images are fed; by default ImageNet's means at 224x224, classes without names.
        token_grid: where the features are a transformer's tokens (b, tokens, k): (y, x) of those that are cells, which
            stand last, after those of a class.

    Returns:
        Params for `jaxcam.cam`, `jaxcam.logits` and the rest.

    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.from_functions(
    ...     lambda w, images: images[:, ::32, ::32],
    ...     lambda w, features: features.mean((1, 2)) @ w,
    ...     lambda w: w,
    ...     variables=jnp.eye(3),
    ... )
    >>> jaxcam.cam(params, jnp.zeros((2, 64, 64, 3)), jnp.array([0, 2])).shape
    (2, 64, 64)
    """
    return Params(variables, Functions(features, logits, kernel, token_grid), Card() if card is None else card)
