"""How near programs come to a device's limits: what the benchmark counts of them."""

import jax
import pytest
from benchmarks import limits
from benchmarks.subjects import Subject

from jaxcam.forward import forward
from jaxcam.networks import portions


def test_operations_are_those_of_all_portions(tmp_path, monkeypatch):
    monkeypatch.setattr(portions, "_devices", lambda: 1)
    subject, operations = Subject("mobilenet_v2", str(tmp_path), batch_size=8, size=64), {}
    for cores in (2, 8):  # 8: the batch at once
        monkeypatch.setattr(portions, "_cores", lambda cores=cores: cores)
        jax.clear_caches()
        operations[cores] = limits.program_of_network(forward, subject).operations
    assert operations[2] == pytest.approx(operations[8], rel=1e-4)
    # 0.3 billion multiplications an image of 224 x 224, as its paper says.
    assert operations[2] == pytest.approx(2 * 8 * 0.3e9 * (64 / 224) ** 2, rel=0.3)
