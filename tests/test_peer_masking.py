"""Masking and ablating methods against pytorch-grad-cam and torch-cam on one network's weights.

Where a peer deviates from the paper that it cites, it is made not to: so its deviation is shown to be the only one.
"""

import jax
import numpy as np
import pytest

import jaxcam
from tests.test_peer_methods import LABELS, by_grad_cam, by_torch_cam, check, enlarged, imported, scaled

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch, and --no-deps torchvision")
networks = pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")

pytestmark = pytest.mark.torch

SIZE = (64, 48)
CHANNELS, COPIES = 48, 2  # of stage2


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """One whose scores tell masks apart."""
    model = networks.random_model("shufflenet_v2_x0_5")
    model.fc.weight.data *= 5
    return imported(model, "shufflenet_v2_x0_5", tmp_path_factory.mktemp("network"), size=SIZE)


def maps_of(name, network, stage="stage2", **options):
    method = getattr(jaxcam, name)
    return method(network.params, network.images, LABELS, stage=stage, image_size=SIZE, size="cells", **options)


def noise_as_ours():
    """What `ss_cam` draws without a key, of each copy and channel; the same for every image."""
    draw = jax.vmap(lambda index: jax.random.normal(jax.random.fold_in(jax.random.key(0), index), SIZE))
    noise = np.array(draw(jax.numpy.arange(COPIES * CHANNELS))).reshape(COPIES, 1, CHANNELS, *SIZE)
    return iter(torch.from_numpy(noise))


def scaled_after_resizing(method):
    """torch-cam scales masks to [0, 1] before it resizes them, by a function that scales maps too."""
    scale = method._normalize
    method._normalize = lambda maps, rank=None: scale(maps if rank is None else method._upsample(maps), rank)


@pytest.mark.parametrize("name, peer, options", [
    ("score_cam", "ScoreCAM", {}),
    ("ss_cam", "SSCAM", {"num_samples": COPIES, "std": 0.5}),
    ("is_cam", "ISCAM", {"num_samples": COPIES}),
])  # fmt: skip
def test_torch_cam(network, name, peer, options):
    def change(method):
        scaled_after_resizing(method)
        if name == "ss_cam":
            noise = noise_as_ours()
            method._distrib.sample = lambda size: 0.5 * next(noise).expand(size)

    maps = maps_of(name, network, **options)
    check(scaled(maps), by_torch_cam(peer, network, "stage2", change, **options))
    assert np.abs(scaled(maps) - by_torch_cam(peer, network, "stage2", **options)).max() > 0.01


def test_pytorch_grad_cams_score_cam(network, monkeypatch):
    maps = enlarged(np.asarray(maps_of("score_cam", network)), SIZE)
    # It aligns the corners of masks with those of the image.
    assert np.abs(maps - by_grad_cam("ScoreCAM", network, "stage2")).max() > 0.01
    monkeypatch.setattr(torch.nn, "UpsamplingBilinear2d", lambda size: torch.nn.Upsample(size, mode="bilinear"))
    check(maps, by_grad_cam("ScoreCAM", network, "stage2"))


@pytest.mark.parametrize("stage", ["stage3", "conv5"])
def test_pytorch_grad_cams_ablation_cam(network, stage):
    """By the loop, and by the closed form."""
    maps = np.asarray(maps_of("ablation_cam", network, stage))
    check(enlarged(maps, SIZE), by_grad_cam("AblationCAM", network, stage))
