"""Caffe's weights, by network."""

from jaxcam.weights.rules import Table

CAFFE: dict[str, Table] = {}
