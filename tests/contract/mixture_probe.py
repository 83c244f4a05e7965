"""What a mixture computes, whatever its parameters are called.

K components, N points, n samples; everything is two-dimensional.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from grading.classes import Blame, build, tensor
from grading.imports import OURS
from grading.loader import Solution

FILE = "mixture_models.py"
NAMES = {
    "logits": ("logits", "weights", "weight_logits", "logit", "pi", "log_weights"),
    "means": ("means", "mean", "mu", "mus"),
    "log_variances": ("log_variances", "log_variance", "logvar", "logvars", "log_vars",
                      "log_var", "logvariances"),
    "centers": ("centers", "center", "centres", "mins"),
    "log_sizes": ("log_sizes", "log_size", "logsizes"),
}  # fmt: skip
PARAMETERS = {
    "GMM": ("logits", "means", "log_variances"),
    "UMM": ("logits", "centers", "log_sizes"),
}
LOADED = ("test_mixture_models_imports",)
WEIGHTS = (0.2, 0.3, 0.5)
LOGITS = [math.log(weight) for weight in WEIGHTS]
MEANS = [[-100.0, 5.0], [0.0, -5.0], [100.0, 0.0]]  # far apart
SLOW = 3.0  # times our own time, from which a remark is due


def parameter(model: Any, name: str) -> torch.nn.Parameter:
    for candidate in NAMES[name]:
        value = getattr(model, candidate, None)
        if isinstance(value, torch.nn.Parameter):
            return value
        if torch.is_tensor(value):
            raise Blame(
                f"self.{candidate} is no nn.Parameter, so training never changes it"
            )
    raise Blame(f"{type(model).__name__} has no parameter self.{name}")


def make(solution: Solution, kind: str, *values: list) -> Any:
    """A solution's GMM or UMM with these parameters, in the order of PARAMETERS."""
    model = build(solution.get(FILE, kind), n_components=len(values[0]), n_dims=2)
    for name, value in zip(PARAMETERS[kind], values, strict=True):
        target, source = parameter(model, name), torch.tensor(value)
        if target.numel() != source.numel():
            raise Blame(
                f"self.{name} of {len(values[0])} components has the shape "
                f"{tuple(target.shape)}, it should hold {tuple(source.shape)}"
            )
        target.data = source.float().reshape(target.shape)
    return model


def log_likelihood(model: Any, x: Tensor) -> Tensor:
    """The model's log p(x), (N, 2) -> (N,); Blame for another shape."""
    value = tensor(model(x), f"{type(model).__name__}.forward")
    if value.numel() == len(x) and value.numel() == max(value.shape, default=1):
        return value.reshape(-1)
    raise Blame(
        f"forward returns the shape {tuple(value.shape)} for {len(x)} points, "
        f"it should be ({len(x)},)"
    )


def at(model: Any, *point: float) -> float:
    return log_likelihood(model, torch.tensor([point]))[0].item()


def implied_weights(make_model: Callable, logits: list, shapes: list) -> list | None:
    """Solve for p(k) from log p(0) of mixtures that share their logits.

    make_model(logits, shape of each component) builds one. The densities are the
    model's own, of one component each, so a wrong density does no harm here. None
    where those densities cannot tell the components apart.
    """
    alone = [math.exp(at(make_model([0.0], [shape]), 0.0, 0.0)) for shape in shapes]
    K = len(logits)
    turns = [[(j + turn) % K for j in range(K)] for turn in range(K)]
    rows = [[alone[index] for index in turn] for turn in turns]
    mixed = [
        math.exp(at(make_model(logits, [shapes[i] for i in turn]), 0.0, 0.0))
        for turn in turns
    ]
    matrix = torch.tensor(rows, dtype=torch.float64)
    if not matrix.isfinite().all() or torch.linalg.cond(matrix) > 1e4:
        return None
    return torch.linalg.solve(matrix, torch.tensor(mixed).double()).tolist()


def check_weights(make_model: Callable, shapes: list) -> None:
    """Blame weights that are not softmax(logits)."""
    logits = [logit + 1 for logit in LOGITS]
    alone = at(make_model([0.0], shapes[:1]), 0.0, 0.0)
    total = math.exp(at(make_model(logits, shapes[:1] * 3), 0.0, 0.0) - alone)
    found = implied_weights(make_model, logits, shapes)
    shown = ", ".join(f"{w:.2f}" for w in found or [])
    if abs(total - 1) > 1e-3:
        if found and max(abs(w - 1) for w in found) < 1e-2:
            raise Blame(
                "every weight p(k) is 1, so that three of them sum to "
                f"{total:.2f}: the softmax runs over the wrong axis"
            )
        added = [math.exp(p - 1) for p in WEIGHTS]  # alone, it adds 1
        if found and max(abs(f - a) for f, a in zip(found, added, strict=True)) < 1e-2:
            raise Blame(
                "p(k) is added to log p(x|k) where log p(k) belongs: log_softmax, not "
                f"softmax; the weights of three components sum to {total:.2f}, not 1"
            )
        if abs(total - math.e) < 1e-2:
            raise Blame(
                "log p(k) is the logit itself, without log_softmax: the weights of "
                f"three components sum to {total:.2f}, not 1"
            )
        raise Blame(f"the weights p(k) of three components sum to {total:.2f}, not 1")
    if found and max(abs(f - w) for f, w in zip(found, WEIGHTS, strict=True)) > 1e-2:
        raise Blame(f"p(k) is {shown} where softmax(logits) is 0.20, 0.30, 0.50")


def differ_by_softmax(found: list[float], right: list[float]) -> bool:
    """One component's p(k) = 1 was added instead of its logarithm: no wrong density."""
    return all(abs(f - r - 1) < 1e-3 for f, r in zip(found, right, strict=True))


def check_loss(model: Any) -> None:
    loss = tensor(model.loss_function(torch.tensor([1.0, 2.0, 6.0])), "loss_function")
    if loss.numel() != 1:
        raise Blame(
            f"loss_function returns {loss.numel()} numbers, it should return their mean"
        )
    found = loss.item()
    reasons = {3: "the sign is missing", -9: "it is a sum", 9: "it is a sum, unsigned"}
    why = next((f": {t}" for v, t in reasons.items() if abs(found - v) < 1e-4), "")
    if not abs(found + 3) < 1e-4:
        raise Blame(
            f"loss_function of the log-likelihoods 1, 2, 6 is {found:g}, "
            f"the negative mean is -3{why}"
        )


def check_gradients(model: Any, x: Tensor, names: tuple) -> None:
    """Blame a parameter that training cannot change."""
    value = model(x)
    if value.requires_grad:
        value.mean().backward()
    for name in names:
        gradient = parameter(model, name).grad
        if gradient is None or not gradient.any():
            raise Blame(
                f"no gradient reaches self.{name}: .data, .detach(), no_grad or a new "
                "tensor cuts it off"
            )


def check_batch(model: Any, x: Tensor, n_components: int) -> None:
    """Blame a forward that mixes up points and components, or points and points."""
    value = tensor(model(x), f"{type(model).__name__}.forward")
    if len(x) != n_components and value.shape == (n_components,):
        raise Blame(
            f"forward returns {n_components} numbers for {len(x)} points: logsumexp "
            "runs over the samples, it must run over the components"
        )
    together = log_likelihood(model, x)
    alone = torch.cat([log_likelihood(model, point[None]) for point in x])
    worst = (together - alone).abs().argmax()
    if not torch.allclose(together, alone, atol=1e-3, equal_nan=True):
        raise Blame(
            f"log p(x) of a point is {alone[worst]:.2f} alone and "
            f"{together[worst]:.2f} among {len(x)} points: a sum runs over the samples"
        )


def draws(value: Any, n: int, what: str) -> Tensor:
    x = tensor(value, what)
    if x.shape != (n, 2):
        raise Blame(f"{what} returns the shape {tuple(x.shape)}, not ({n}, 2)")
    if not x.isfinite().all():
        raise Blame(f"{what} draws points that are not finite")
    return x


def conditional(model: Any, n: int, label: int) -> Tensor:
    try:
        value = model.conditional_sample(n, label)
    except Exception:
        try:
            value = model.conditional_sample(n, torch.tensor(label))
        except Exception:
            value = model.conditional_sample(n, label)  # the plain call's error
    return draws(value, n, "conditional_sample")


def check_shares(x: Tensor) -> Tensor:
    """Return the component of each draw, of three at -100, 0 and 100 along x."""
    k = ((x[:, 0] + 150) / 100).floor().clamp(0, 2).long()
    shares = (k.bincount(minlength=3) / len(k)).tolist()
    if max(shares) == 1:
        raise Blame(
            f"all {len(x)} samples come from one component: k must be drawn anew for "
            "every sample"
        )
    if max(abs(s - w) for s, w in zip(shares, WEIGHTS, strict=True)) > 0.06:
        shown = ", ".join(f"{s:.0%}" for s in shares)
        raise Blame(
            f"the components are drawn in the shares {shown} where p(k) is "
            "20%, 30%, 50%"
        )
    return k


def fastest(work: Callable, repeats: int = 3) -> float:
    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(repeats))


def remark_slow(remark: Callable, what: str, kind: str, model: Any, use) -> None:
    """Note it where use(model) takes several times as long as use(our model)."""
    K = parameter(model, "logits").numel()
    ours = getattr(OURS[FILE], kind)(K)
    use(ours)
    factor = fastest(lambda: use(model)) / fastest(lambda: use(ours), 5)
    if factor > SLOW:
        remark(f"{what} is slow: it takes {factor:.0f} times our time")
