"""Real photos with words drawn on them, in the layout of Street View Text, and crops of them without words.

What is trained on is from other photos than what is tested.
"""

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from skimage import data

SIDE = 192  # pixels of a crop
WORDS = ("OPEN", "CAFE", "HOTEL", "BOOKS", "PIZZA", "BANK", "SALE", "TAXI", "STORE", "MUSIC")
PHOTOS = {"train": (data.chelsea, data.coffee), "test": (data.astronaut, data.rocket)}


def make_svt(home, *, train, test):
    """So many photos in `home/svt/train.xml` and `test.xml`, and as many in `home/negatives`, `home/test_negatives`."""
    random = np.random.default_rng(0)
    for split, count, without in (("train", train, "negatives"), ("test", test, "test_negatives")):
        entries, photos = [], [read() for read in PHOTOS[split]]
        (home / "svt/img").mkdir(parents=True, exist_ok=True)
        (home / without).mkdir()
        for number in range(count):
            photo = photos[number % 2]
            crop(photo, random).save(home / without / f"{number}.png")
            picture = crop(photo, random)
            name, boxes = f"img/{split}_{number}.png", draw_words(picture, random)
            picture.save(home / "svt" / name)
            entries.append(entry(name, boxes))
        (home / f"svt/{split}.xml").write_text(f"<tagset>{''.join(entries)}</tagset>")
    return home


def entry(name, boxes, size=(SIDE, SIDE)):
    """An `<image>` of SVT's XML, of half-open boxes."""
    words = "".join(
        f'<taggedRectangle height="{y1 - y0}" width="{x1 - x0}" x="{x0}" y="{y0}"><tag>WORD</tag></taggedRectangle>'
        for x0, y0, x1, y1 in boxes
    )
    return (
        f'<image><imageName>{name}</imageName><Resolution x="{size[1]}" y="{size[0]}"/>'
        f"<taggedRectangles>{words}</taggedRectangles></image>"
    )


def crop(photo, random):
    """A square of a photo, at 192x192 pixels."""
    side = int(random.integers(120, 220))
    y, x = (int(random.integers(0, length - side)) for length in photo.shape[:2])
    return Image.fromarray(photo[y : y + side, x : x + side]).resize((SIDE, SIDE))


def draw_words(picture, random):
    """Draw one or two words, and give the boxes of their letters."""
    pen, boxes = ImageDraw.Draw(picture), []
    for _ in range(int(random.integers(1, 3))):
        font = ImageFont.truetype(findfont("DejaVu Sans"), int(random.integers(24, 44)))
        word = WORDS[random.integers(len(WORDS))]
        left, top, right, bottom = map(int, pen.textbbox((0, 0), word, font=font))
        x, y = (int(random.integers(0, SIDE - length)) for length in (right - left, bottom - top))
        pen.text((x - left, y - top), word, font=font, fill=tuple(random.integers(0, 256, 3).tolist()))
        boxes.append((x, y, x + right - left, y + bottom - top))
    return boxes
