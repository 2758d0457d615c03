"""What is known of each network of the table without its weights: size, cost, maps, and where weights come from."""

import math
from dataclasses import dataclass
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr

from jaxcam.params import default_card, make_network, sample_pixels
from jaxcam.weights import ORIGINS

LINE = "{:<24} {:>10} {:>13} {:>8} {:>11}  {:<3}  {}"
HEADER = LINE.format("network", "parameters", "multiply-adds", "input", "map", "cam", "weights from")


@dataclass(frozen=True)
class NetworkSummary:
    """A network at its own image size; `print` gives its line of the table.

    Attributes:
        name: in the table.
        parameters: that are trained; statistics do not count.
        multiply_adds: of convolutions and matrix products, for one image.
        features: shape of the last features, (y, x, k), or (tokens, k).
        image_size: (height, width) in pixels.
        has_cam: whether `cam` works: the head has a kernel.
        origins: where weights can be imported from.
    """

    name: str
    parameters: int
    multiply_adds: int
    features: tuple[int, ...]
    image_size: tuple[int, ...]
    has_cam: bool
    origins: tuple[str, ...]

    def __str__(self) -> str:
        cells = "x".join(map(str, self.features[:-1]))
        return LINE.format(
            self.name,
            f"{self.parameters / 1e6:.2f} M",
            f"{self.multiply_adds / 1e9:.2f} G",
            "x".join(map(str, self.image_size)),
            cells if len(self.features) > 2 else f"{cells} tokens",
            "yes" if self.has_cam else "no",
            ", ".join(self.origins) or "-",
        )


def summarize(name: str, *, num_classes: int = 1000) -> NetworkSummary:
    """The summary of a network of the table, traced and not run.

    >>> summarize("resnet18").parameters
    11689512
    """
    network = make_network(name, num_classes)
    card = default_card(name, ())
    trace = jax.make_jaxpr(network.init_with_output, return_shape=True)
    program, ((features, _), variables) = trace(jax.random.key(0), sample_pixels(card))
    return NetworkSummary(
        name=name,
        parameters=sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"])),
        multiply_adds=multiply_adds(program.jaxpr),
        features=features.shape[1:],
        image_size=card.image_size,
        has_cam=hasattr(network.head, "kernel"),
        origins=tuple(origin for origin, tables in ORIGINS.items() if name in tables),
    )


def multiply_adds(jaxpr: Any) -> int:
    """Multiplications of a traced program's convolutions and matrix products, those of its inner programs too."""
    total = 0
    for equation in jaxpr.eqns:
        values = jax.tree.leaves(tuple(equation.params.values()), is_leaf=_is_program)
        inner = [multiply_adds(getattr(value, "jaxpr", value)) for value in values if _is_program(value)]
        # Of branches, such as those of platforms, one is run; a convolution's own is the dearest.
        total += max(inner) if equation.primitive.name == "cond" else sum(inner)
        output = math.prod(equation.outvars[0].aval.shape) if equation.outvars else 0
        if equation.primitive.name == "dot_general":
            left = equation.invars[0].aval.shape
            total += output * math.prod(left[axis] for axis in equation.params["dimension_numbers"][0][0])
        elif equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            total += output * math.prod(kernel) // kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    return total


def _is_program(value):
    return isinstance(value, Jaxpr | ClosedJaxpr)
