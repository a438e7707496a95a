"""Every worker computes with one thread, and waits without burning the other's core."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch loads

import torch

torch.set_num_threads(1)
