"""`jaxcam methods`: the table of map methods."""

from typing import Annotated

import tyro


def methods(
    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME ...]")] = (),
) -> int:
    """List the map methods: what each shows, and its source.

    Args:
        names: beginnings of names, such as grad; without any, all methods.
    """
    from jaxcam.methods.table import METHODS, describe_method

    chosen = [name for name in METHODS if name.startswith(names or "")]
    if not chosen:
        raise ValueError(f"methods: none begins with {' or '.join(names)}; known are {', '.join(METHODS)}")
    print("\n".join(map(describe_method, chosen)))
    return 0
