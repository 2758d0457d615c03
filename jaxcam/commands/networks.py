"""`jaxcam networks`: the table of networks."""

from typing import Annotated

import tyro


def networks(
    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME ...]")] = (),
) -> int:
    """List the networks: parameters, multiply-adds, sizes of input and map, whether `cam` works, importable weights.

    Args:
        names: beginnings of names, such as resnet; without any, all networks.
    """
    from jaxcam.network_table import HEADER, summarize
    from jaxcam.networks import NETWORKS

    chosen = [name for name in NETWORKS if name.startswith(names or "")]
    if not chosen:
        raise ValueError(f"networks: none begins with {' or '.join(names)}; known are {', '.join(NETWORKS)}")
    print(HEADER)
    for name in chosen:
        print(summarize(name), flush=True)
    return 0
