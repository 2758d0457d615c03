"""timm's state dicts, by network."""

from jaxcam.weights.rules import Table

TIMM: dict[str, Table] = {}
