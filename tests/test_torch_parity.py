"""Networks of torchvision and timm that are not residual: the same logits and features."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcam.card import IMAGENET
from jaxcam.forward import normalize_channels
from jaxcam.networks import NETWORKS
from jaxcam.weights.timm import TIMM

pytest.importorskip("torch", reason="torch is not installed: make test-all")
pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed: make test-all")
from tests.reference import torch_parity as parity

pytestmark = pytest.mark.torch
traced_once = parity.traced_once


@pytest.mark.parametrize("name", parity.networks_of(parity.FEATURES, residual=False))
def test_equals_torchvision(name, tmp_path):
    parity.check_torchvision(name, tmp_path)


@pytest.mark.parametrize("name", parity.networks_of(TIMM, residual=False))
def test_equals_timm(name, tmp_path):
    parity.check_timm(name, tmp_path)


@pytest.mark.parametrize("name, model", [("inception_v3", "Inception3"), ("googlenet_torchvision", "GoogLeNet")])
def test_card_does_what_torchvision_does_inside(name, model):
    """The published weights take ImageNet's normalization back in the network, transform_input=True."""
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(1, 8, 6, 3)), jnp.float32)
    normalized = normalize_channels(images, IMAGENET)
    tell = SimpleNamespace(transform_input=True)
    expected = getattr(parity.networks.models, model)._transform_input(
        tell, parity.torch.tensor(np.asarray(normalized)).permute(0, 3, 1, 2)
    )
    ours = normalize_channels(images, NETWORKS[name].preprocessing)
    np.testing.assert_allclose(ours, expected.permute(0, 2, 3, 1).numpy(), rtol=1e-5, atol=1e-6)
