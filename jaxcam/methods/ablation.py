"""Ablation-CAM: channels of a stage weighed by what the score loses without them."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcam.forward import kernel_of
from jaxcam.methods.chunks import check_counts, map_in_chunks
from jaxcam.methods.cut import Cut, RawMaps, Targets, scores_of, weighed
from jaxcam.methods.map_method import map_method


@map_method()
def ablation_cam(cut: Cut, targets: Targets, *, chunk: int = 32, relu: bool = True) -> RawMaps:
    """Ablation-CAM: channels weighed by the share of the score that is lost without them.

    M(p) = relu(sum_k w_k A_k(p)), w_k = (S - S_k) / S, with S_k the score where channel k is 0; 0 where S is 0.

    Where all that follows is a mean over cells and one linear layer with weights v_k, S - S_k is v_k mean(A_k), and no
    forward pass is needed. A negative S turns the signs, as in the paper. Where features are nowhere exactly 0,
    pytorch-grad-cam 1.5 sets channels to their lowest value less 1e7, which the paper does not.

    Args:
        chunk: number of channels an image that are left out at once, for other networks and stages.
        relu: leave out what speaks against the class, as in the paper.

    Source: Desai and Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free
    Localization", WACV 2020.

    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> jaxcam.ablation_cam(params, jnp.zeros((2, 32, 24, 3)), jnp.array([2, 1])).shape
    (2, 32, 24)
    """
    check_counts(chunk=chunk)
    whole = scores_of(cut.logits, targets)[..., None]
    network: Any = cut.params.network
    only_mean = network.averages_cells and cut.stage == network.backbone.stages[-1]
    lost = _lost_of_mean(cut, targets) if only_mean else _lost(cut, targets, chunk)
    weights = jnp.where(whole == 0, 0, lost / jnp.where(whole == 0, 1, whole))
    maps = weighed(cut.cells, weights)
    return jax.nn.relu(maps) if relu else maps


def _lost_of_mean(cut: Cut, targets: Targets) -> Array:
    """What the scores lose (b, n, k) without each channel, if logits are the kernel applied to the mean over cells."""
    weights = jnp.einsum("kc,bnc->bnk", kernel_of(cut.params), targets, precision="highest")
    return weights * cut.cells.mean(axis=cut.axes)[:, None]


def _lost(cut: Cut, targets: Targets, chunk: int) -> Array:
    """Likewise by a forward pass from the stage on without each channel."""
    channels = jnp.arange(cut.cells.shape[-1], dtype=jnp.int32)

    def lost_at(channel: Array) -> Array:
        without = cut.behind(jnp.where(channels == channel, 0, cut.cells))
        # Logits are subtracted before they are weighed: differences of large scores would lose digits.
        return scores_of(cut.logits - without, targets)

    return jnp.moveaxis(map_in_chunks(lost_at, channels.size, chunk), 0, -1)
