"""One optimizer runs Muon on weight matrices and AdamW on all other parameters.

In: named parameters and two rates. Out: a `torch.optim.Optimizer` with state that saves and resumes.

torch's own `torch.optim.Muon` orthogonalises in bfloat16, which CPUs without bf16 units emulate some 300 times slower
than float32, and takes no parameters but matrices. This one computes in the precision that it is told.
Source of the method: Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

# Coefficients of the quintic whose iteration drives singular values into about [0.7, 1.2].
_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrix: torch.Tensor, iterations: int = 5, dtype: torch.dtype | None = None) -> torch.Tensor:
    """The nearest semi-orthogonal matrix, roughly, by Newton-Schulz iteration.

    Args:
        matrix: A gradient or momentum, (rows, columns).
        iterations: Steps of the iteration; five are enough for training.
        dtype: Precision of the products; `None`: the matrix's own. bfloat16 is enough for training.

    Returns:
        A matrix of the same shape whose singular values all lie near 1.
    """
    a, b, c = _QUINTIC
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = (wide / (wide.norm() + 1e-7)).to(dtype or matrix.dtype)
    for _ in range(iterations):
        gram = x @ x.T  # (n, n), n the smaller side
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if matrix.shape[0] <= matrix.shape[1] else x.T).to(matrix.dtype)


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon on matrices, AdamW on the rest.

    Args:
        matrices: Weight matrices of the transformer layers.
        others: Embeddings, norms and whatever else is trained.
        learning_rate: Rate of Muon.
        adamw_learning_rate: Rate of AdamW.
        weight_decay: Decoupled weight decay of the matrices.
        momentum: Nesterov momentum of Muon.
        betas: Moments of AdamW.
        dtype: Precision of Muon's products; `None`: that of the gradients.
    """

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        others: Iterable[torch.nn.Parameter],
        *,
        learning_rate: float,
        adamw_learning_rate: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        dtype: torch.dtype | None = None,
    ) -> None:
        self._dtype = dtype
        groups: list[dict[str, Any]] = [
            {"params": list(matrices), "lr": learning_rate, "weight_decay": weight_decay, "muon": True},
            {"params": list(others), "lr": adamw_learning_rate, "weight_decay": 0.0, "muon": False},
        ]
        super().__init__(groups, {"momentum": momentum, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._muon if group["muon"] else self._adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, group)
        return loss

    def _muon(self, parameter: torch.nn.Parameter, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: torch.Tensor = state["momentum"]
        momentum.lerp_(parameter.grad, 1 - group["momentum"])
        direction = orthogonalize(parameter.grad.lerp(momentum, group["momentum"]), dtype=self._dtype)
        # Tall matrices need a longer step for the same change of the output's root mean square.
        scale = max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(direction, alpha=-group["lr"] * scale)

    def _adamw(self, parameter: torch.nn.Parameter, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        first, second = group["betas"]
        state["step"] += 1
        steps = float(state["step"])
        state["mean"].lerp_(parameter.grad, 1 - first)
        state["square"].lerp_(parameter.grad.square(), 1 - second)
        mean = state["mean"] / (1 - first**steps)
        root = (state["square"] / (1 - second**steps)).sqrt_().add_(1e-8)
        parameter.addcdiv_(mean, root, value=-group["lr"])
