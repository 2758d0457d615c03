"""The same networks in torch, and maps of them by torch-cam and pytorch-grad-cam, as their users make them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from benchmarks.any_torchvision import models
from benchmarks.subjects import LEARNING_RATE, WEIGHT_DECAY, Subject, crops
from safetensors.torch import load_file, save_file
from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Our name -> torchvision's, and the modules that torch-cam asks for: the last one with cells, and the linear one.
NETWORKS = {
    "googlenet_torchvision": ("googlenet", "inception5b", "fc"),
    "mobilenet_v2": ("mobilenet_v2", "features", "classifier.1"),
    "resnet18": ("resnet18", "layer4", "fc"),
    "resnet50": ("resnet50", "layer4", "fc"),
    "squeezenet1_1": ("squeezenet1_1", "classifier.2", None),
    "vgg16_gap": ("vgg16", "cam", "classifier"),
}


class VGG16GAP(nn.Module):
    """The paper's VGG-16: a convolution in the place of the last pooling, then global average pooling."""

    def __init__(self):
        super().__init__()
        self.features = models.vgg16(weights=None).features[:-1]
        self.cam = nn.Sequential(nn.Conv2d(512, 1024, 3, padding=1), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(1024, 1000)

    def forward(self, x):
        return self.classifier(self.cam(self.features(x)).mean((2, 3)))


def build(network: str) -> nn.Module:
    """A network by our name, with the weights it starts with."""
    if network == "vgg16_gap":
        return VGG16GAP()
    name = NETWORKS[network][0]
    # As with its published weights, which want another normalization than the images are given.
    options = {"aux_logits": False, "init_weights": False, "transform_input": True} if name == "googlenet" else {}
    return getattr(models, name)(weights=None, **options)


def make_weights(subject: Subject) -> None:
    """Random weights, and in BatchNorm the statistics of photos: classes and cells then differ as trained ones do."""
    if subject.file.exists():
        return
    torch.manual_seed(0)
    model = build(subject.network).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model(pixels_of(crops(16, 224, 224)))
    subject.file.parent.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), subject.file)


def model_of(subject: Subject) -> nn.Module:
    """The network with the subject's weights, for inference, in the layout that is fastest."""
    torch.set_num_threads(subject.threads)
    model = build(subject.network)
    model.load_state_dict(load_file(subject.file))
    model = model.eval().to(device_of(subject), memory_format=torch.channels_last)
    if subject.compiled:
        model.compile()
    return model


def device_of(subject: Subject) -> torch.device:
    """Where JAX computes too."""
    if subject.device == "gpu" and not torch.cuda.is_available():
        raise ValueError(f"JAX runs on a GPU, and torch {torch.__version__} finds none: install its build for CUDA")
    return torch.device("cuda" if subject.device == "gpu" else "cpu")


def computing(subject: Subject) -> torch.autocast:
    """Within it, networks compute in the subject's dtype."""
    return torch.autocast(device_of(subject).type, torch.bfloat16, enabled=subject.dtype == "bfloat16")


def waiting(run: Callable[[], Any], subject: Subject) -> Callable[[], Any]:
    """A run that ends when the device is through with it."""

    def whole() -> Any:
        result = run()
        if subject.device == "gpu":
            torch.cuda.synchronize()
        return result

    return whole


def pixels_of(images: np.ndarray, device: torch.device | None = None) -> torch.Tensor:
    """Input (b, 3, h, w), normalised, of uint8 images (b, h, w, 3)."""
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (MEAN, STD))
    pixels = (torch.from_numpy(images).to(device).permute(0, 3, 1, 2) / 255 - mean) / std
    return pixels.to(memory_format=torch.channels_last)


def torch_cam(subject: Subject, *, method: str = "CAM", top: int = 1) -> Callable[[], torch.Tensor]:
    """torch-cam's maps of the top classes, enlarged to the image's size; (b, h, w) of one class, else (b, n, h, w)."""
    from torchcam import methods

    model, images = model_of(subject), subject.images()
    _, layer, linear = NETWORKS[subject.network]
    options = {"fc_layer": linear} if method == "CAM" else {}
    extractor = getattr(methods, method)(model, layer, input_shape=(3, subject.size, subject.size), **options)

    def run() -> torch.Tensor:
        with computing(subject):  # in which Score-CAM runs the network again
            with torch.set_grad_enabled(method != "CAM"):
                scores = model(pixels_of(images, device_of(subject)))
            chosen = scores.topk(top)[1].T.tolist()
            maps = [enlarged(extractor(labels, scores, normalized=False)[0], subject.size) for labels in chosen]
        return torch.stack(maps, dim=1) if top > 1 else maps[0]

    return waiting(run, subject)


def enlarged(cells: torch.Tensor, size: int) -> torch.Tensor:
    """Maps (b, size, size) of cells (b, y, x)."""
    return nn.functional.interpolate(cells[:, None], (size, size), mode="bilinear")[:, 0]


def grad_cam(subject: Subject, *, method: str = "GradCAM", top: int = 1) -> Callable[[], np.ndarray]:
    """pytorch-grad-cam's maps of the top classes, from 0 to 1, of the image's size; shaped as above."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, images = model_of(subject), subject.images()
    layer = model.get_submodule(NETWORKS[subject.network][1])
    extractor = getattr(pytorch_grad_cam, method)(model, [layer])

    def run() -> np.ndarray:
        pixels = pixels_of(images, device_of(subject))
        if top == 1:  # the class that the network says
            return extractor(pixels, None)
        with torch.no_grad():
            chosen = model(pixels).topk(top)[1]
        maps = [extractor(pixels, [ClassifierOutputTarget(label) for label in labels]) for labels in chosen.T.tolist()]
        return np.stack(maps, axis=1)

    return waiting(run, subject)


def training(subject: Subject) -> Callable[[], np.ndarray]:
    """The same step of training, with the accuracy; gives all losses so far."""
    model, images = model_of(subject).train(), subject.images()
    kernels, others = ([each for each in model.parameters() if (each.ndim > 1) == wanted] for wanted in (True, False))
    groups = [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others}]
    optimizer = torch.optim.SGD(groups, lr=LEARNING_RATE, momentum=0.9, nesterov=True)
    labels = torch.arange(len(images), device=device_of(subject))
    losses: list[float] = []

    def run() -> np.ndarray:
        with computing(subject):
            scores = model(pixels_of(images, device_of(subject)))
        loss = nn.functional.cross_entropy(scores.float(), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        (scores.detach().argmax(1) == labels).float().mean().item()
        losses.append(loss.item())
        return np.array(losses)

    return waiting(run, subject)
