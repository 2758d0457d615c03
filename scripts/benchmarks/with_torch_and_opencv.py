"""A whole evaluation as a user of torch writes it: a loader with workers, torch-cam's maps, OpenCV's boxes."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from benchmarks.made_maps import THRESHOLDS
from benchmarks.subjects import Photo, Subject, photos_in
from benchmarks.with_opencv import opencv_box, overlaps, right_at_each
from benchmarks.with_torch import NETWORKS, computing, device_of, enlarged, model_of, pixels_of
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchcam.methods import CAM

TOP, OVERLAP = 5, 0.5


class Files(Dataset):
    """Decoded by OpenCV, and squashed by Pillow, antialiased."""

    def __init__(self, photos: list[Photo], size: int):
        self.photos, self.size = photos, size

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int):
        image = np.asarray(cv2.imread(str(self.photos[index].path)))[..., ::-1]
        squashed = Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.array(squashed), index, np.array(image.shape[:2])


def evaluation(subject: Subject, *, photos: str, labels: Sequence[int]) -> Callable[[], np.ndarray]:
    """Percent of the photos in a folder: top-5 classification and localization, GT-known, MaxBoxAcc."""
    model, files = model_of(subject), photos_in(photos, labels)
    _, layer, linear = NETWORKS[subject.network]
    extractor = CAM(model, layer, fc_layer=linear, input_shape=(3, subject.size, subject.size))
    rows = Files(files, subject.size)
    # Spawned and kept: JAX's threads forbid a fork, and starting anew would cost more than the work.
    loader = DataLoader(
        rows, subject.batch_size, num_workers=2, persistent_workers=True, multiprocessing_context="spawn"
    )

    def run() -> np.ndarray:
        found, swept = [], np.zeros(len(THRESHOLDS))
        for images, index, sizes in loader:
            with torch.no_grad(), computing(subject):
                scores = model(pixels_of(images.numpy(), device_of(subject)))
            batch = [files[number] for number in index.tolist()]
            labels = torch.tensor([photo.label for photo in batch], device=scores.device)
            classes = torch.cat([scores.topk(TOP)[1], labels[:, None]], dim=1)
            cells = [extractor(c.tolist(), scores, normalized=False)[0] for c in classes.T]
            maps = torch.stack([enlarged(each, subject.size) for each in cells], dim=1).float().cpu().numpy()
            of_class = cells[-1].float().cpu()
            for photo, size, top, of_image, true in zip(batch, sizes, classes.cpu(), maps, of_class, strict=True):
                scale = np.tile(size.numpy()[::-1] / subject.size, 2)
                target = np.array([photo.box])
                boxes = np.stack([opencv_box(values) * scale for values in of_image])
                right = overlaps(boxes, target)[:, 0] >= OVERLAP
                said = (top[:TOP] == photo.label).numpy()
                found.append([said.any(), (said & right[:TOP]).any(), right[TOP]])
                swept += right_at_each(framed(true.numpy()), framed_box(target, size.numpy()))
        return 100 * np.array([*np.mean(found, axis=0), swept.max() / len(files)])

    return run


def framed(cells: np.ndarray) -> np.ndarray:
    """A map in the WSOL benchmark's frame."""
    return cv2.resize(cells, (224, 224), interpolation=cv2.INTER_CUBIC)


def framed_box(boxes: np.ndarray, size: np.ndarray) -> np.ndarray:
    """True boxes (m, 4) there, rounded as there: as inclusive corners, down."""
    one = np.array([0, 0, 1, 1])
    return np.floor((boxes - one) * 224 / np.tile(size[::-1], 2)) + one
