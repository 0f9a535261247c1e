"""Muon for the matrices, AdamW for the rest.

Muon (Keller Jordan and others, 2024, "Muon: An optimizer for hidden layers in neural networks")
replaces the momentum of a weight matrix by its nearest orthogonal matrix. It needs markedly fewer
tokens than AdamW to the same loss, and tokens are what a CPU has not got. torch's own runs in
bfloat16, which many a CPU only emulates, hence these lines, which take what the device is fast in.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def has_bfloat16(device: str) -> bool:
    """Whether matrices are multiplied in bfloat16 faster than in float32."""
    return device != "cpu" or bool(torch.cpu._is_avx512_bf16_supported())


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest orthogonal matrices, roughly, by a quintic Newton-Schulz iteration.

    ``matrices`` has the shape (batch, rows, columns).
    """
    tall = matrices.size(-2) > matrices.size(-1)
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):  # type: ignore[misc]
    """Matrices of one shape are orthogonalised in one batch."""

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        by_shape: dict[torch.Size, list[nn.Parameter]] = {}
        for matrix in matrices:
            by_shape.setdefault(matrix.shape, []).append(matrix)
        groups = [{"params": group} for group in by_shape.values()]
        super().__init__(groups, {"lr": lr, "momentum": momentum})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            updates = [self._nesterov(matrix, group["momentum"]) for matrix in group["params"]]
            rows, columns = updates[0].shape
            scale = group["lr"] * max(1.0, rows / columns) ** 0.5
            stacked = torch.stack(updates)
            if has_bfloat16(stacked.device.type):
                stacked = stacked.bfloat16()
            turned = orthogonal(stacked).float()
            for matrix, update in zip(group["params"], turned, strict=True):
                matrix.add_(update, alpha=-scale)

    def _nesterov(self, matrix: nn.Parameter, momentum: float) -> Tensor:
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["buffer"] = torch.zeros_like(matrix)
        buffer: Tensor = state["buffer"]
        buffer.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(buffer, momentum)
