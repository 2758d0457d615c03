"""jaxcam.faithfulness beside pytorch-grad-cam's metrics, of the same weights and where both mean the same."""

import numpy as np
import pytest

from jaxcam.faithfulness import confidence_change, imputed, insertion_deletion_curves, remove_and_debias
from tests.unruly_network import CLASSES, unruly_params

# Its imputation calls NumPy on torch's arrays in a way that NumPy is about to give up.
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")]
torch = pytest.importorskip("torch")
# pytorch-grad-cam imports torchvision, which comes up by these.
pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")
pytest.importorskip("pytorch_grad_cam")

SPACE, STD = (16, 20), 0.5
PARAMS = unruly_params(SPACE, mean=(0.4,), std=(STD,), channels=3)
RNG = np.random.default_rng(8)
IMAGES = RNG.random((4, *SPACE, 3), np.float32)
LABELS = np.array([0, 2, 1, 0])
MAPS = RNG.random((4, *SPACE), np.float32)  # no two pixels are equal


class Unruly(torch.nn.Module):
    """The same network; it gives probabilities."""

    def forward(self, pixels):
        inside, out = (torch.tensor(np.asarray(PARAMS.variables[name])) for name in ("in", "out"))
        flat = pixels.permute(0, 2, 3, 1).reshape(len(pixels), -1)
        return torch.softmax(torch.tanh(flat @ inside) @ out, dim=1)


def inputs():
    """Normalised images, the model, and a target for each."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    pixels = torch.tensor((IMAGES - 0.4) / STD).permute(0, 3, 1, 2)
    return {"input_tensor": pixels, "targets": [ClassifierOutputTarget(label) for label in LABELS], "model": Unruly()}


def test_changes_of_confidence():
    """Dimmed to the mean, it is the change of the probability; theirs is not divided by it."""
    from pytorch_grad_cam.metrics.cam_mult_image import CamMultImageConfidenceChange, IncreaseInConfidence

    given = inputs()
    scaled = MAPS / MAPS.max(axis=(1, 2), keepdims=True)
    before = Unruly()(given["input_tensor"])[range(4), LABELS].numpy()
    changes = CamMultImageConfidenceChange()(cams=scaled, **given)
    record = confidence_change(PARAMS, IMAGES, LABELS, MAPS, baseline="mean")
    expected = {
        "average_drop": np.maximum(-changes, 0) / before,
        "average_increase": IncreaseInConfidence()(cams=scaled, **given),
        "average_gain": np.maximum(changes, 0) / (1 - before),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(record[name].total, values.sum(), rtol=1e-4, err_msg=name)


def test_imputation():
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    removed = RNG.random((4, *SPACE)) < 0.6
    filled = imputed(IMAGES, removed, np.zeros((*SPACE, 3), np.float32))
    for image, gone, ours in zip(IMAGES, removed, np.asarray(filled), strict=True):
        given = torch.tensor(image).permute(2, 0, 1), torch.tensor(~gone).float()
        theirs = NoisyLinearImputer(noise=0)(*given).permute(1, 2, 0)
        np.testing.assert_allclose(ours, theirs, atol=3e-4)


def test_road():
    """Without noise, with no two pixels equal, at one share; theirs are changes of the probability."""
    from pytorch_grad_cam.metrics import perturbation_confidence as peer
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    given = inputs()
    before = Unruly()(given["input_tensor"])[range(4), LABELS].numpy()
    most = peer.PerturbationConfidenceMetric(peer.RemoveMostRelevantFirst(75, NoisyLinearImputer(noise=0)))
    least = peer.PerturbationConfidenceMetric(peer.RemoveLeastRelevantFirst(75, NoisyLinearImputer(noise=0)))
    record = remove_and_debias(PARAMS, IMAGES, LABELS, MAPS, fractions=(0.25,), std=0.0)
    for name, metric in (("road_most_relevant", most), ("road_least_relevant", least)):
        values = before + metric(cams=MAPS, **given)
        np.testing.assert_allclose(record[name].total, values.sum(), rtol=1e-3, err_msg=name)


def test_curves_at_their_ends_and_middle():
    """pytorch-grad-cam has no insertion or deletion; half of the pixels deleted is a mask to torch."""
    curves = insertion_deletion_curves(PARAMS, IMAGES, LABELS, MAPS, steps=2)
    given = inputs()["input_tensor"]
    order = torch.tensor(MAPS).flatten(1).argsort(dim=1, descending=True).argsort(dim=1)
    kept = (order >= MAPS[0].size // 2).reshape(MAPS.shape)[:, None]
    scores = Unruly()(given * kept)[range(4), LABELS]
    np.testing.assert_allclose(curves.deletion[:, 1], scores, rtol=1e-4)
    np.testing.assert_allclose(curves.deletion[:, 2], np.full(4, 1 / len(CLASSES)), rtol=1e-5)
