"""ResNets, RegNets and DenseNets of torchvision and timm: the same logits and features."""

import pytest

from jaxcam.weights.timm import TIMM

parity = pytest.importorskip(
    "tests.reference.torch_parity", reason="torch or torchvision is not installed: make test-all"
)

pytestmark = pytest.mark.torch
traced_once = parity.traced_once

FAMILIES = ("densenet", "regnet", "resne", "wide_resnet")


@pytest.mark.parametrize("name", parity.networks_of(FAMILIES, parity.FEATURES))
def test_equals_torchvision(name, tmp_path):
    parity.check_torchvision(name, tmp_path)


@pytest.mark.parametrize("name", parity.networks_of(FAMILIES, TIMM))
def test_equals_timm(name, tmp_path):
    parity.check_timm(name, tmp_path)
