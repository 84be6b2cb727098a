"""What lifjax hands to the compiler of a CUDA GPU, without one."""

import jax
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

GPU = AbstractDevice(device_kind="NVIDIA H100 80GB HBM3", num_cores=132, platform="gpu")


def assert_translated(function, *args):
    """It becomes a kernel in Triton, without what Triton knows but cannot compile."""
    with use_abstract_mesh(AbstractMesh((1,), ("gpus",), abstract_device=GPU)):
        program = jax.jit(function).trace(*args).lower(lowering_platforms=("cuda",)).as_text()
    assert "triton" in program
    assert "ctpop" not in program  # a population count
