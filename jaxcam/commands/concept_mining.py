"""`jaxcam concept`: a concept from weakly labelled photos."""

from pathlib import Path
from typing import Any

OUT_OF_FOLDERS = "--positives DIR --negatives DIR"
OUT_OF_CAPTIONS = '--captions FILE --photos DIR --phrase "mirror in lake"'


def concept(
    *,
    positives: Path | None = None,
    negatives: Path | None = None,
    captions: Path | None = None,
    photos: Path | None = None,
    phrase: str | None = None,
    gallery: Path | None = None,
    relevant: Path | None = None,
    checkpoint: str = "tiny_imagenet",
    rounds: int = 3,
    pool: int | None = None,
    start: int | None = None,
    add: int | None = None,
    seed: int = 0,
    top: int = 12,
    batch_size: int = 64,
    out: Path = Path("out"),
) -> int:
    """Learn a concept from photos with and without it, rank photos by it, and show where the best ones have it.

    Give --positives and --negatives, or --captions, --photos and --phrase. A detector is trained on the positives and
    random negatives; then, in each round, on those negatives too that it wrongly took for the concept. Interrupted
    while it reads photos, the same command goes on where it stopped.

    Args:
        positives: folder of photos with the concept, and of folders of them.
        negatives: folder of photos without it.
        captions: captions of photos: COCO's JSON, SBU's, or a JSON list of objects with a file or url and a caption.
        photos: with captions: the folder of their photos.
        phrase: with captions: positives have a caption with all its words but stop words (in, the, of ...), each as a
            whole word in any case; negatives have none of the words in any caption.
        gallery: folder of photos to rank; by default those that the concept is learned from.
        relevant: with a gallery: folder of photos to rank that show the concept, in the gallery or beside it, to
            measure average precision.
        checkpoint: a bundled name, or a folder (with a separator: ./mine).
        rounds: of mining; 0 for random negatives alone.
        pool: negatives drawn at random to mine in; by default all of the folder, or 1000 of the captions.
        start: negatives of the first detector, drawn at random; by default as many as there are positives.
        add: at most so many negatives are added in a round; by default as many as there are positives.
        seed: of both draws.
        top: how many of the photos ranked highest to show.
        batch_size: images a step.
        out: folder for concept.json, ranking.jsonl, concept_detector.json, concept.png and heatmaps.
    """
    given = {"positives": positives, "negatives": negatives, "captions": captions, "photos": photos, "phrase": phrase}
    way: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _check_choice(way, gallery, relevant, top)
    how: dict[str, Any] = {"rounds": rounds, "start": start, "add": add, "seed": seed}
    return _find(way, {"gallery": gallery, "relevant": relevant, "pool": pool}, checkpoint, how, top, batch_size, out)


def _find(way, further, checkpoint, how, top, batch_size, out):
    """Gather the photos, learn the concept, write everything down, and print the table."""
    import shutil

    from jaxcam.applications.concept_mining import find_concept, photos_of_folders, photos_of_phrase, with_gallery
    from jaxcam.applications.concept_report import save_concept
    from jaxcam.checkpoints import load

    params = load(checkpoint)
    gather = photos_of_folders if "positives" in way else photos_of_phrase
    photos = gather(**way, pool=further["pool"], seed=how["seed"])
    if further["gallery"] is not None:
        photos = with_gallery(photos, further["gallery"], relevant=further["relevant"])
    keep = out / ".features"
    found = find_concept(params, photos, batch_size=batch_size, keep=keep, **how)
    told = {**way, **further, **how}
    options = {name: str(value) if isinstance(value, Path) else value for name, value in told.items()}
    files = save_concept(params, found, out, checkpoint=checkpoint, options=options, top=top)
    shutil.rmtree(keep)
    print(found, f"in {out}: {', '.join(files[:4])} and {len(files) - 4} heatmaps", sep="\n\n")
    return 0


def _check_choice(way, gallery, relevant, top):
    """Refuse all but one of the two ways to give photos, before anything slow is imported."""
    if tuple(way) not in (("positives", "negatives"), ("captions", "photos", "phrase")):
        told = " ".join(f"--{name}" for name in way) or "none of them"
        raise ValueError(f"photos: got {told}; give either {OUT_OF_FOLDERS}, or {OUT_OF_CAPTIONS}")
    if relevant is not None and gallery is None:
        raise ValueError("--relevant: it needs --gallery, a folder of other photos to rank these among")
    if top < 1:
        raise ValueError(f"--top: got {top}; give at least 1 photo to show")
