"""What a replica computes on: Ray decides, by the processors and the GPUs that it gives to the replica."""

import os

import ray
import torch


def replica_device() -> torch.device:
    """The replica's GPU, or its CPU with as many threads as Ray grants (it sets OMP_NUM_THREADS from num_cpus).

    A GPU that was given to others can be seen as well.
    """
    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))
    return torch.device("cuda" if ray.get_gpu_ids() else "cpu")
