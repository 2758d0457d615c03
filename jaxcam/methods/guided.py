"""Maps from gradients at the pixels that pass activations only where they are positive."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

import jax
from jaxtyping import Array

from jaxcam.geometry import resize
from jaxcam.methods.backprop import for_each_label, image_gradient, over_channels
from jaxcam.methods.cut import Cut, RawMaps, Targets, check_cells, cut_at
from jaxcam.methods.gradient import grad_cam
from jaxcam.methods.map_method import map_method
from jaxcam.networks import Classifier
from jaxcam.networks.rescored import Rescored
from jaxcam.params import Params

# The fields of a backbone or a head that are activations.
ACTIVATIONS = ("activation", "relu")


@map_method(on_pixels=True, takes_stage=False)
def guided_backprop(cut: Cut, targets: Targets, *, channels: str = "max") -> RawMaps:
    """Guided backpropagation: gradients at the pixels that pass activations only where they are positive.

    M(p) = max over channels of |R(p)|, where R is dS / dI with relu(g) for each gradient g that reaches an activation.

    The paper does this to ReLU; here it is done to whatever activation the network has, but not to the gates of
    squeeze-and-excitation. The paper shows R in colours; how channels become one is here that of `saliency`.

    Args:
        channels: "sum" of signed values, "absolute" for the sum of absolute ones, "max" for the largest of these.

    Source: Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR 2015 workshop, arXiv
    1412.6806.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.guided_backprop(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1])).shape
    (2, 32, 24)
    """
    guided = cut_at(_guided_params(cut.params), cut.pixels, cut.stage, to_pixels=True)
    return for_each_label(lambda target: over_channels(image_gradient(guided, target), channels), targets)


@map_method(on_pixels=True)
def guided_grad_cam(cut: Cut, targets: Targets, *, channels: str = "max") -> RawMaps:
    """Guided Grad-CAM: Grad-CAM for where, times guided backpropagation for what exactly.

    M(p) = grad_cam(p) guided_backprop(p), the first after its relu and resized to the pixels bilinearly.

    captum resizes to the nearest cell by default; the paper says bilinearly.

    Args:
        channels: of guided backpropagation: "sum" of signed values, "absolute" for the sum of absolute ones, "max" for
            the largest of these.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV
    2017, arXiv 1610.02391.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.guided_grad_cam(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1]), stage="layer3").shape
    (2, 32, 24)
    """
    check_cells(cut)
    places = resize(grad_cam.core(cut, targets), cut.pixels.shape[1:-1], axis=2)
    return places * guided_backprop.core(cut, targets, channels=channels)


def _guided_params(params: Params) -> Params:
    """The same with guided activations in the network's backbone and head."""
    return params.replace(network=_guided_network(params.network))


def _guided_network(network: Any) -> Any:
    if isinstance(network, Rescored):
        return replace(network, network=_guided_network(network.network))
    if not isinstance(network, Classifier) or not _activations(network.backbone):
        kind = type(network.backbone if isinstance(network, Classifier) else network).__name__
        raise ValueError(
            f"params: got a network made of {kind}, which has no field `activation` to replace; use saliency, or give "
            "a Classifier whose backbone has one"
        )
    parts: dict[str, Any] = {"backbone": network.backbone, "head": network.head}
    changed = {
        name: part.clone(**{field: guided(value) for field, value in _activations(part).items()})
        for name, part in parts.items()
    }
    return network.clone(**changed)


def _activations(module: Any) -> dict[str, Callable]:
    return {field.name: getattr(module, field.name) for field in fields(module) if field.name in ACTIVATIONS}


@lru_cache(maxsize=64)  # one object for each activation: networks are compared by theirs
def guided(activation: Callable) -> Callable:
    """The same function, whose backward pass lets positive gradients through only.

    >>> import jax.numpy as jnp
    >>> jax.vjp(guided(jnp.tanh), jnp.zeros(2))[1](jnp.array([-3.0, 3.0]))
    (Array([0., 3.], dtype=float32),)
    """

    @jax.custom_vjp
    def passing(x: Array) -> Array:
        return activation(x)

    def forward(x: Array) -> tuple[Array, Any]:
        return jax.vjp(activation, x)

    def backward(to_input: Any, gradient: Array) -> Any:
        return to_input(jax.nn.relu(gradient))

    passing.defvjp(forward, backward)
    return passing
