"""Maps from the attention of vision transformers: from which patches a class token, or a mean of tokens, is made."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.arrays import type_of_array
from jaxcam.methods.cut import Cut, RawMaps, Targets
from jaxcam.methods.map_method import map_method
from jaxcam.networks.rescored import Rescored
from jaxcam.networks.vit import VisionTransformer, attention_weights
from jaxcam.params import Params

# How the attention of a block's heads becomes one.
FUSIONS: dict[str, Callable[..., Array]] = {"mean": jnp.mean, "max": jnp.max, "min": jnp.min}


@map_method(takes_stage=False)
def attention_rollout(cut: Cut, targets: Targets, *, heads: str = "mean", discard: float = 0.0) -> RawMaps:
    """Attention rollout: how much of each patch reaches what a vision transformer classifies by, all blocks together.

    M(p) = row of the class token of R, R = A_L ... A_2 A_1, A_l = (W_l + identity) / 2, with W_l a block's attention,
    the mean over its heads.

    It looks at no class: all labels have the same map. Without class token M is the mean of all rows, as the head takes
    the mean of all tokens. For another network than jaxcam's vision transformers use `rollout`.

    Args:
        heads: "mean" as in the paper, "max" or "min" over heads.
        discard: share of the weakest entries of each W_l that count as 0, after which the rows of A_l are scaled to add
            up to 1; 0 in the paper, 0.9 in much used code, which has no paper.

    Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, arXiv 2005.00928.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> small = {"patch": 4, "depth": 2, "width": 12, "heads": 3, "hidden": 20}
    >>> card = jaxcam.Card(("cat", "dog"), image_size=(56, 56))
    >>> params = jaxcam.init("vit_b_16", jax.random.key(0), card=card, **small)
    >>> jaxcam.attention_rollout(params, jnp.zeros((4, 60, 60, 3)), size="cells").shape
    (4, 14, 14)
    """
    network, variables = _inside(cut.params)
    backbone = getattr(network, "backbone", None)
    if not isinstance(backbone, VisionTransformer):
        kind = type(network if backbone is None else backbone).__name__
        raise ValueError(
            f"params: got a network made of {kind}, which is none of jaxcam's vision transformers; use grad_cam, or "
            "jaxcam.rollout with the attention of a network of one's own"
        )
    blocks = [_fused(weights, heads, discard) for weights in _attention_of(network, variables, cut.pixels)]
    reached = _rolled_out(blocks, 0 if backbone.class_token else None)
    space = cut.cells.shape[1:-1]
    cells = reached[:, 1:] if backbone.class_token else reached
    return cells.reshape(-1, 1, *space).repeat(targets.shape[1], axis=1)


def rollout(
    attention: Float[type_of_array, "..."],
    *,
    heads: str = "mean",
    discard: float = 0.0,
    token: int | None = 0,
) -> Float[Array, "b t"]:
    """Attention rollout of anyone's attention weights.

    R = A_L ... A_2 A_1, A_l = (W_l + identity) / 2, with W_l the mean over the heads.

    Args:
        attention: (b, depth, heads, t, t), the first block first; each row, what a token is made of, adds up to 1.
        heads: "mean" as in the paper, "max" or "min" over heads.
        discard: share of the weakest entries of each W_l that count as 0, after which the rows of A_l are scaled to add
            up to 1.
        token: the row of R, that of the class token; None for the mean of all rows.

    Returns:
        (b, t), how much of each token reaches that one.

    Raises:
        ValueError: for another shape or an unknown option.

    Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, arXiv 2005.00928.

    >>> import jax.numpy as jnp, jaxcam
    >>> jaxcam.rollout(jnp.array([[0.0, 1.0], [0.0, 1.0]]).reshape(1, 1, 1, 2, 2))  # the first token becomes the other
    Array([[0.5, 0.5]], dtype=float32)
    """
    shape = attention.shape
    if attention.ndim != 5 or shape[-2] != shape[-1] or 0 in shape:
        raise ValueError(f"attention: got shape {tuple(shape)}; give (b, depth, heads, tokens, tokens)")
    if token is not None and not -shape[-1] <= token < shape[-1]:
        raise ValueError(f"token: got {token} among {shape[-1]} tokens; give one of them, or None for all")
    weights = jnp.asarray(attention, jnp.float32)
    return _rolled_out([_fused(weights[:, block], heads, discard) for block in range(shape[1])], token)


def _inside(params: Params) -> tuple[Any, Any]:
    """The network itself, and its variables, where its scores are made into others."""
    network, variables = params.network, params.variables
    while isinstance(network, Rescored):
        network, variables = network.network, variables["network"]
    return network, variables


def _attention_of(network: Any, variables: Any, x: Array) -> list[Float[Array, "b heads t _t"]]:
    """That of each block, from one forward pass."""
    stages, found = network.backbone.stages, []
    for since, upto in zip((None, *stages[:-1]), stages, strict=True):
        if upto.startswith("block"):
            found.append(attention_weights(network.backbone, variables, upto, x))
        x = network.apply(variables, x, since, upto, method="between")
    return found


def _fused(weights: Float[Array, "b heads t _t"], heads: str, discard: float) -> Float[Array, "b t _t"]:
    """A_l of one block."""
    if heads not in FUSIONS:
        raise ValueError(f"heads: got {heads!r}; use one of {', '.join(FUSIONS)}")
    if not 0 <= discard < 1:
        raise ValueError(f"discard: got {discard}; give a share from 0 to below 1")
    fused = FUSIONS[heads](weights, axis=1)
    batch, tokens, _ = fused.shape
    if weakest := int(discard * tokens**2):
        least = jnp.sort(fused.reshape(batch, -1), axis=-1)[:, weakest]
        fused = jnp.where(fused < least.reshape(batch, 1, 1), 0, fused)
    fused = (fused + jnp.eye(tokens, dtype=jnp.float32)[None]) / 2
    return fused / fused.sum(axis=-1, keepdims=True)


def _rolled_out(blocks: Sequence[Float[Array, "b t _t"]], token: int | None) -> Float[Array, "b t"]:
    """A row of the product of all blocks, or the mean of its rows: made from the last block on, no matrix is needed."""
    last = blocks[-1]
    row = last.mean(axis=1) if token is None else last[:, token]
    for block in reversed(blocks[:-1]):
        row = jnp.einsum("bt,bts->bs", row, block, precision="highest")
    return row
