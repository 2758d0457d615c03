"""What `load` demands of a checkpoint, asked before `save` writes one."""

from jaxcam.checkpoints.hashes import leaf_differences, leaf_kinds, listed
from jaxcam.checkpoints.rounding import as_stored
from jaxcam.networks import Classifier
from jaxcam.params import Params, network_shapes


def check_loadable(network: Classifier, params: Params, *, named: bool) -> None:
    """Refuse what `load` would refuse.

    Args:
        network: that of the params.
        params: what is to be saved.
        named: `load` makes the network from its name in the table and the card's classes.

    Raises:
        ValueError: for a card of another number of classes, or leaves that are not those that the network needs.
    """
    card, total, needed = params.card, len(params.card.classes), network.head.num_classes
    if named and total != needed:
        raise ValueError(
            f"card: got {total} classes for a network of {needed}; save params.replace(card=) with {needed}"
        )
    kinds = leaf_kinds(params.variables)
    differences = leaf_differences(as_stored(network_shapes(network, card), kinds), kinds)
    if differences:
        raise ValueError(f"params: got what could not be loaded again; cast or drop it first: {listed(differences)}")
