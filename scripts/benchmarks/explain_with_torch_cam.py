"""One photo explained with torch-cam, as its user writes it: python -m benchmarks.explain_with_torch_cam PHOTO ..."""

import json
import sys
from pathlib import Path

import torch
from benchmarks.with_torch import MEAN, NETWORKS, STD, build
from PIL import Image
from safetensors.torch import load_file
from torchcam.methods import CAM
from torchcam.utils import overlay_mask
from torchvision.transforms.functional import normalize, resize, to_pil_image, to_tensor


def main(photo: str, weights: str, network: str, out: str) -> None:
    """Write the top 5 classes' heat maps over the photo, and their probabilities."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build(network)
    model.load_state_dict(load_file(weights))
    model.eval().to(device)
    _, layer, linear = NETWORKS[network]
    extractor = CAM(model, layer, fc_layer=linear)
    image = Image.open(photo).convert("RGB")
    with torch.no_grad():
        scores = model(normalize(resize(to_tensor(image), [224, 224]), MEAN, STD)[None].to(device))
    probabilities, classes = scores.softmax(-1)[0].topk(5)
    Path(out).mkdir(parents=True, exist_ok=True)
    for rank, label in enumerate(classes.tolist()):
        heat = to_pil_image(extractor(label, scores)[0], mode="F")
        overlay_mask(image, heat, alpha=0.5).save(Path(out, f"{rank}.png"))
    Path(out, "explanations.json").write_text(json.dumps(probabilities.tolist()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
