"""The checkpoint that features, a detector or a model were made with."""

from collections.abc import Mapping
from typing import Any

from jaxcam.checkpoints import checkpoint_hash


def same_checkpoint(told: Mapping[str, Any], checkpoint: str | None, *, what: str) -> str:
    """Check that a checkpoint is the one that something was made with, and give its name.

    Args:
        told: what is known of the one it was made with: "checkpoint", its name then, and "checkpoint_sha256".
        checkpoint: its name now; None where it is the same.
        what: the name of what was made, for messages.

    Returns:
        The name now.

    Raises:
        ValueError: for a checkpoint that is not there, or another one.

    >>> from jaxcam.checkpoints import checkpoint_hash
    >>> told = {"checkpoint": "./net", "checkpoint_sha256": checkpoint_hash("tiny_imagenet")}
    >>> same_checkpoint(told, "tiny_imagenet", what="features")
    'tiny_imagenet'
    >>> other = {**told, "checkpoint_sha256": "0" * 64}
    >>> same_checkpoint(other, "tiny_imagenet", what="features")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: features: made with checkpoint ./net of hash 000000000000, not with tiny_imagenet of hash ...
    """
    name = told["checkpoint"] if checkpoint is None else checkpoint
    try:
        found = checkpoint_hash(name)
    except (ValueError, OSError) as error:
        raise ValueError(f"{error}; --checkpoint says where the network of {what} is now") from None
    if found != told["checkpoint_sha256"]:
        raise ValueError(
            f"{what}: made with checkpoint {told['checkpoint']} of hash {told['checkpoint_sha256'][:12]}, "
            f"not with {name} of hash {found[:12]}; --checkpoint says where that network is now"
        )
    return name
