"""ResNets, RegNets and DenseNets of torchvision and timm: the same logits and features."""

import pytest

from jaxcam.weights.timm import TIMM

pytest.importorskip("torch", reason="torch is not installed: make test-all")
pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed: make test-all")
from tests.reference import torch_parity as parity

pytestmark = pytest.mark.torch
traced_once = parity.traced_once


@pytest.mark.parametrize("name", parity.networks_of(parity.FEATURES, residual=True))
def test_equals_torchvision(name, tmp_path):
    parity.check_torchvision(name, tmp_path)


@pytest.mark.parametrize("name", parity.networks_of(TIMM, residual=True))
def test_equals_timm(name, tmp_path):
    parity.check_timm(name, tmp_path)
