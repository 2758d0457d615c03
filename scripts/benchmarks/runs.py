"""The benchmarks by name: what each measures, and with which options.

Those of maps and of training keep freed memory, for all contenders: else each would be as fast as what was freed
before it happens to allow, torch by a factor of up to three.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import jax
from benchmarks import works
from benchmarks.measuring import Row, Work, measure, medians, table
from benchmarks.subjects import Subject

from jaxcam.commands.running import keep_freed_memory

NETWORKS = ("resnet50", "googlenet_torchvision", "vgg16_gap", "mobilenet_v2")
OUT, PLATFORMS = Path("out/benchmark"), ("cpu", "gpu")
Dtype = Literal["float32", "bfloat16"]


def maps(
    networks: tuple[str, ...] = NETWORKS,
    batch_size: int = 32,
    size: int = 224,
    threads: int = 2,
    dtype: Dtype = "float32",
    compiled: bool = False,
    rounds: int = 7,
    memory: bool = True,
    growth: bool = True,
    out: Path = OUT,
) -> int:
    """CAM, Grad-CAM and Score-CAM beside torch-cam and pytorch-grad-cam, and maps beside a bare forward pass.

    Args:
        networks: for class activation maps; Grad-CAM is made of the first one.
        batch_size: images.
        size: their side, in pixels.
        threads: of torch; XLA takes all cores.
        dtype: that networks compute in.
        compiled: have torch compile them.
        rounds: that each takes part in; medians are compared.
        memory: measure peaks too, each in a process of its own.
        growth: measure how cost grows with labels, size and batch too.
        out: folder for maps.json, maps.png and the weights that all share.
    """
    from benchmarks import growth as growing
    from benchmarks import limits, reporting, with_jaxcam

    keep_freed_memory()
    how = {"batch_size": batch_size, "size": size, "threads": threads, "dtype": dtype, "compiled": compiled}
    all_of, (first, *_) = subjects((*networks, "resnet18", "squeezenet1_1"), out, **how), networks
    found = [work for network in networks for work in works.of_maps(all_of[network])]
    found += [*works.of_overhead(all_of[first]), *works.of_overhead(all_of["squeezenet1_1"])]
    found += [*works.of_gradients(all_of[first]), *works.of_masks(all_of["resnet18"])]
    rows = measured(found, rounds, memory)
    stages = {
        f"top-5 maps, {name}": medians(with_jaxcam.map_stages(all_of[name]), rounds=rounds, title=f"stages of {name}")
        for name in networks
    }
    lines = growing.of_maps(all_of[first], rounds=rounds) if growth else []
    near = limits.of_maps([all_of[name] for name in networks], rounds=rounds)
    print(limits.table(near))
    reporting.save(out, "maps", rows, lines=lines, stages=stages, limits=near, options={**how, "rounds": rounds})
    return 0


def boxes(count: int = 160, threads: int = 2, rounds: int = 15, memory: bool = True, out: Path = OUT) -> int:
    """Boxes of 224 x 224 maps beside OpenCV and scikit-image: at one threshold, and MaxBoxAcc over a thousand.

    Args:
        count: maps.
        threads: of the peers, where they have some.
        rounds: that each takes part in; medians are compared.
        memory: measure peaks too, on CPUs.
        out: folder for boxes.json and boxes.png.
    """
    from benchmarks import reporting

    on_cpu = jax.default_backend() == "cpu"  # what they take of different memories is not compared
    rows = measured(works.of_boxes(count, threads=threads), rounds, memory and on_cpu)
    reporting.save(out, "boxes", rows, options={"count": count, "threads": threads, "rounds": rounds})
    return 0


def evaluate(
    network: str = "resnet18",
    count: int = 128,
    batch_size: int = 32,
    size: int = 224,
    threads: int = 2,
    dtype: Dtype = "float32",
    compiled: bool = False,
    rounds: int = 7,
    memory: bool = True,
    growth: bool = True,
    out: Path = OUT,
) -> int:
    """From JPEG files of 500 x 375 pixels to figures, beside torch, torch-cam and OpenCV with two workers.

    Args:
        network: one of those for maps, or resnet18.
        count: files.
        batch_size: images.
        size: that they are squashed to.
        threads: of torch.
        dtype: that the network computes in.
        compiled: have torch compile it.
        rounds: that each takes part in; medians are compared.
        memory: measure peaks too: of the largest of a contender's processes.
        growth: measure on 1, 2 and 4 fake devices too, where there are CPUs alone.
        out: folder for evaluate.json, evaluate.png, the files and the weights.
    """
    from benchmarks import growth as growing
    from benchmarks import reporting, with_jaxcam_evaluation

    shared = {"batch_size": batch_size, "size": size, "threads": threads, "dtype": dtype, "compiled": compiled}
    subject, photos = subjects((network,), out, **shared)[network], str(out / "photos")
    how: dict[str, Any] = {
        "photos": photos,
        "labels": with_jaxcam_evaluation.made_labels(subject, photos=photos, count=count),
    }
    rows = measured(works.of_evaluation(subject, **how), rounds, memory)
    stages = medians(with_jaxcam_evaluation.evaluation_stages(subject, **how), rounds=rounds, title="stages")
    lines = [growing.of_evaluation(subject, **how, rounds=rounds)] if growth and subject.device == "cpu" else []
    options = {"photos": photos, "count": count, **shared, "rounds": rounds}
    reporting.save(out, "evaluate", rows, lines=lines, stages={"evaluate": stages}, options=options)
    return 0


def train(
    network: str = "resnet18",
    batch_size: int = 32,
    size: int = 224,
    threads: int = 2,
    dtype: Dtype = "float32",
    compiled: bool = False,
    rounds: int = 7,
    memory: bool = True,
    out: Path = OUT,
) -> int:
    """A training step beside torch's, channels last.

    Args:
        network: one of those for maps, or resnet18.
        batch_size: images.
        size: their side, in pixels.
        threads: of torch.
        dtype: that the network computes in.
        compiled: have torch compile it.
        rounds: that each takes part in; medians are compared.
        memory: measure peaks too.
        out: folder for train.json, train.png and the weights.
    """
    from benchmarks import reporting

    keep_freed_memory()  # as `jaxcam train` does
    how = {"batch_size": batch_size, "size": size, "threads": threads, "dtype": dtype, "compiled": compiled}
    rows = measured(works.of_training(subjects((network,), out, **how)[network]), rounds, memory)
    reporting.save(out, "train", rows, options={**how, "rounds": rounds})
    return 0


def start(network: str = "resnet18", rounds: int = 7, memory: bool = True, out: Path = OUT) -> int:
    """A command that explains a photo, run again, beside a script that does so with torch-cam; and what imports take.

    Args:
        network: one of those for maps, or resnet18.
        rounds: that each takes part in; medians are compared.
        memory: measure peaks too.
        out: folder for start.json, start.png, the checkpoint and the pictures.
    """
    from benchmarks import commands, reporting

    subject = subjects((network,), out)[network]
    rows = measured(works.of_start(subject, folder=str(out.resolve())), rounds, memory)
    seconds = medians(commands.starts(), rounds=rounds, title="imports")
    print("\n".join(f"{name}: {value:.2f} s" for name, value in seconds.items()))
    reporting.save(out, "start", rows, stages={"start": seconds}, options={"rounds": rounds})
    return 0


def subjects(networks: Sequence[str], out: Path, **how: Any) -> dict[str, Subject]:
    """Subjects by network, with weights that torch made, where it is installed."""
    folder = str((out / "weights").resolve())
    found = {name: Subject(name, folder, device=jax.default_backend(), **how) for name in networks}
    if all(find_spec(module) for module in works.NEEDS["torch"]):
        from benchmarks import with_torch

        for subject in found.values():
            with_torch.make_weights(subject)
    return found


def measured(found: Sequence[Work], rounds: int, memory: bool) -> list[Row]:
    """The rows of all works, each printed as soon as it is there; a ValueError where no peer could run."""
    if jax.default_backend() not in PLATFORMS:
        raise ValueError(f"JAX runs on a {jax.default_backend()}, where its peers do not: set JAX_PLATFORMS=cpu")
    rows: list[Row] = []
    for work in found:
        rows += measure(work, rounds=rounds, memory=memory)
        print(table(rows[-len(work.peers) :], heading=work is found[0]), flush=True)
    return rows
