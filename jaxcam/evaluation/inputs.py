"""What fits together: a network, its card, a data set and a threshold."""

from jaxcam.batches import check_squash
from jaxcam.card import Card
from jaxcam.class_names import comparable, numbered_classes
from jaxcam.datasets import Dataset
from jaxcam.evaluation.protocol import Protocol
from jaxcam.forward import kernel_of
from jaxcam.params import Params


def check_classes(card: Card, dataset: Dataset) -> None:
    """Refuse a data set whose labels do not mean what the card's classes do.

    WordNet ids decide where both have them, names otherwise; folders may be named by either. A data set without names
    is taken at its word, that its labels are the network's.

    Raises:
        ValueError: for another number of classes, or another class in any place.

    >>> check_classes(Card(classes=("cat", "dog")), Dataset((), ("cat", "dog")))
    """
    if is_nameless(dataset) and len(dataset.classes) <= len(card.classes):
        return
    if len(card.classes) != len(dataset.classes):
        raise ValueError(
            f"dataset: got {len(dataset.classes)} classes for a network of {len(card.classes)}; "
            "use the data set that the network was trained on"
        )
    known, given = comparable(card.classes, card.class_ids, dataset.classes, dataset.class_ids)
    wrong = [index for index in range(len(known)) if known[index] != given[index]]
    if wrong:
        raise ValueError(
            f"dataset: {len(wrong)} of {len(given)} classes are not the network's; class {wrong[0]} is "
            f"{given[wrong[0]]!r} and should be {known[wrong[0]]!r}; use the data set that the network was trained on"
        )


def is_nameless(dataset: Dataset) -> bool:
    """Whether its classes have numbers alone, as where files of a published layout name none.

    >>> is_nameless(Dataset((), ("class 0", "class 1")))
    True
    """
    return not dataset.class_ids and dataset.classes == numbered_classes(len(dataset.classes))


def threshold_of(card: Card, protocol: Protocol, threshold: float | None) -> float | None:
    """The one given, or else the card's; None for the rule "release", which has levels of its own."""
    if protocol.rule != "release":
        return check_threshold(card.threshold if threshold is None else threshold)
    if threshold is not None:
        raise ValueError(f"threshold: got {threshold} with the rule release, which has three levels of its own")
    return None


def check_threshold(threshold: float) -> float:
    """A threshold as a float, or a ValueError.

    >>> check_threshold(0.2)
    0.2
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold: got {threshold}; give a share of the map's maximum, above 0 and at most 1")
    return float(threshold)


def check_network(params: Params, protocol: Protocol, *, localize: bool) -> None:
    """Refuse a network that takes no photos, or has no class maps where they are asked for."""
    card = params.card
    if len(card.image_size) != 2 or card.channels != 3:
        raise ValueError(
            f"params: got a network for {card.channels} channels of size {card.image_size}; photos have 3 of (h, w)"
        )
    check_squash(card)
    if localize and protocol.method == "cam":
        kernel_of(params)  # raises, where there is none
    if protocol.stage not in (None, *params.network.stages):
        known = ", ".join(params.network.stages) or "no names of stages"
        raise ValueError(f"stage: got {protocol.stage!r}; this network has {known}")
    if localize and protocol.rule == "release" and len(card.classes) < 3:
        raise ValueError(f"rule: got release for {len(card.classes)} classes; its five boxes are of three, use another")


def has_maps(params: Params, protocol: Protocol) -> bool:
    """Whether `check_network` lets this network be asked for maps."""
    try:
        check_network(params, protocol, localize=True)
    except ValueError:
        return False
    return True
