"""Small data sets in the layouts of the published ones, with photos of coloured rectangles on grey."""

import numpy as np
from PIL import Image

SPECIES = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross")
SYNSETS = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish, Carassius auratus", "n02012849": "crane"}
COLOURS = ((220, 40, 40), (40, 200, 60), (50, 80, 230))


def photo(path, label, box, size=(60, 80)):
    """Write a photo of (height, width) `size` with a rectangle of the class's colour, half-open x0, y0, x1, y1."""
    pixels = np.full((*size, 3), 120, np.uint8)
    x0, y0, x1, y1 = box
    pixels[y0:y1, x0:x1] = COLOURS[label]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def annotation(objects, size=(60, 80)):
    """XML of (WordNet id, 0-based inclusive corners) in the format of CLS-LOC."""
    entries = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        "</bndbox></object>"
        for name, (x0, y0, x1, y1) in objects
    )
    height, width = size
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{entries}</annotation>"


def make_ilsvrc(home, count=6):
    """Validation images 1 to `count`, the classes in turn, with a box of 20x16 pixels; two training images a class."""
    root, ids = home / "ILSVRC", list(SYNSETS)
    (home / "LOC_synset_mapping.txt").write_text("".join(f"{key} {names}\n" for key, names in SYNSETS.items()))
    lists = root / "ImageSets/CLS-LOC"
    notes = root / "Annotations/CLS-LOC/val"
    for folder in (lists, notes):
        folder.mkdir(parents=True)
    stems = [f"ILSVRC2012_val_{number:08}" for number in range(1, count + 1)]
    (lists / "val.txt").write_text("".join(f"{stem} {number}\n" for number, stem in enumerate(stems, start=1)))
    for index, stem in enumerate(stems):
        label, x, y = index % 3, 4 * index, 2 * index
        photo(root / f"Data/CLS-LOC/val/{stem}.JPEG", label, (x, y, x + 20, y + 16))
        (notes / f"{stem}.xml").write_text(annotation([(ids[label], (x, y, x + 19, y + 15))]))
    for label, class_id in enumerate(ids):
        for number in (7, 12):
            photo(root / f"Data/CLS-LOC/train/{class_id}/{class_id}_{number}.JPEG", label, (10, 10, 40, 50))
        folder = root / "Annotations/CLS-LOC/train" / class_id
        folder.mkdir(parents=True)
        boxes = [(class_id, (10, 10, 39, 49)), ("n09999999", (0, 0, 5, 5))]
        (folder / f"{class_id}_7.xml").write_text(annotation(boxes))
    return home


def make_cub(home, count=9):
    """Images 1 to `count`, the species in turn, every third to train on, with a box of 30x20 pixels."""
    lists = {name: [] for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes")}
    for number in range(1, count + 1):
        label = (number - 1) % 3
        name = f"{SPECIES[label]}/Photo_{number:04}.jpg"
        photo(home / "images" / name, label, (number, 5, number + 30, 25))
        lists["images"].append(f"{number} {name}")
        lists["image_class_labels"].append(f"{number} {label + 1}")
        lists["train_test_split"].append(f"{number} {int(number > 6)}")
        lists["bounding_boxes"].append(f"{number} {number}.0 5.0 30.0 20.0")
    lists["classes"] = [f"{number} {name}" for number, name in enumerate(SPECIES, start=1)]
    for name, lines in lists.items():
        (home / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return home


def make_wsol_masks(home, count=6):
    """As `make_wsol`, but with masks in `home/masks`: of both boxes, and of 10 pixels around the second to ignore."""
    make_wsol(home, count)
    lines = []
    for index in range(count):
        name, stem = f"part {index // 3}/a,{index}.jpg", f"{index}"
        boxes = {"one": (index, 0, index + 10, 10), "two": (40, 30, 80, 60), "ignored": (30, 20, 80, 60)}
        for kind, (x0, y0, x1, y1) in boxes.items():
            mask = np.zeros((60, 80), bool)
            mask[y0:y1, x0:x1] = True
            (home / "masks").mkdir(exist_ok=True)
            Image.fromarray(mask).save(home / f"masks/{stem}_{kind}.png")
        lines += [f"{name},{stem}_one.png,{stem}_ignored.png", f"{name},{stem}_two.png,"]
    (home / "val/localization.txt").write_text("\n".join(lines) + "\n")
    return home


def make_wsol(home, count=6):
    """Lists in `home/val` over photos in `home/photos`, two boxes an image; names with a comma and a space."""
    ids, labels, sizes, boxes = [], [], [], []
    for index in range(count):
        name = f"part {index // 3}/a,{index}.jpg"
        photo(home / "photos" / name, index % 3, (index, 0, index + 10, 10))
        ids.append(name)
        labels.append(f"{name},{index % 3}")
        sizes.append(f"{name},80,60")
        boxes += [f"{name},{index},0,{index + 9},9", f"{name},40,30,79,59"]
    (home / "val").mkdir()
    lists = {"image_ids": ids, "class_labels": labels, "image_sizes": sizes, "localization": boxes}
    for name, lines in lists.items():
        (home / f"val/{name}.txt").write_text("\n".join(lines) + "\n")
    return home
