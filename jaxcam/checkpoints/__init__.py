"""Checkpoints that explain themselves: Orbax arrays beside a `card.json` with the card, the record and the hashes."""

from jaxcam.checkpoints.folders import check_place, checkpoint_hash, describe, find, load, save, write_card

__all__ = ["check_place", "checkpoint_hash", "describe", "find", "load", "save", "write_card"]
