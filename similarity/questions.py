"""What the assignment asks, answered from what the functions give."""

from dataclasses import asdict

import torch
from torch import Tensor
from torch.nn import functional as F

from similarity import functions, rules
from similarity.config import Config
from similarity.data import make_image, make_kernels, pixels
from similarity.model import ConvolutionalAttention
from similarity.rules import DOMAINS, RULES, Verdict

CLOSE = 1e-5  # how near attention is to come to the convolution
SHARPNESS = tuple(range(1, 21))
CHANNELS = 4  # that the convolution of the experiment has


def given(config: Config) -> tuple[Tensor, Tensor, list[str]]:
    """Return the image (3, h, w), the kernels (8, 3, 1, 1) and their names."""
    image = make_image(config.height, config.width)
    return image, *make_kernels(image)


def judge(image: Tensor, config: Config) -> dict[str, dict[str, Verdict]]:
    """Judge every function by every rule: a counterexample, or the most found."""
    generator = torch.Generator().manual_seed(config.seed)
    sets = rules.random_sets(config.n_sets, len(image), generator)
    return {d.name: rules.judge(d, pixels(image), sets) for d in DOMAINS}


def winners(image: Tensor, kernels: Tensor, maps: Tensor, names: list[str]) -> list:
    """Return for each kernel the value of its own colour beside its map's largest.

    Rows and columns of the pixels count from 0, as in the figures.
    """
    found = []
    for kernel, values, name in zip(kernels.flatten(1), maps, names, strict=True):
        own = (pixels(image) - kernel).abs().sum(1).argmin()
        value, most = values.flatten()[own].item(), values.max().item()
        row, column = divmod(int(values.argmax()), image.shape[2])
        found.append(
            {
                "kernel": name,
                "own": value,
                "most": most,
                "row": row,
                "column": column,
                "beaten": most > value + rules.TOLERANCE,
                "as_large": int((values >= most - rules.TOLERANCE).sum()),
            }
        )
    return found


def difference_by_convolution(image: Tensor) -> float:
    """Return the largest difference of f(Z) by convolution from its formula."""
    by_formula = functions.scaled_cosine(pixels(image))
    by_convolution = functions.scaled_cosine_by_convolution(image)
    return (by_formula - by_convolution).abs().max().item()


def random_kernel(size: int, channels: int, generator: torch.Generator) -> Tensor:
    """Return a kernel (channels, 3, size, size) of standard normal weights."""
    return torch.randn(
        channels, 3, size, size, generator=generator, dtype=torch.float64
    )


def against_sharpness(image: Tensor, kernel: Tensor) -> list[dict[str, float]]:
    """Return the attention's distance from conv2d as its scores grow sharper.

    leaves is the share of a head's weight that is not at its offset, far from borders:
    the four nearest pixels have exp(-sharpness) each of what it has.
    """
    wanted = F.conv2d(image[None], kernel, padding=kernel.shape[2] // 2)
    rows = []
    for sharpness in SHARPNESS:
        layer = ConvolutionalAttention(kernel, sharpness)
        with torch.no_grad():
            error = (layer(image[None]) - wanted).abs().max().item()
        leaves = 1 - layer.weights(*image.shape[1:]).max(2).values.min().item()
        rows.append({"sharpness": sharpness, "error": error, "leaves": leaves})
    return rows


def sharp_enough(rows: list[dict[str, float]]) -> int | None:
    """Return the least sharpness from which the error stays below CLOSE."""
    above = [row["sharpness"] for row in rows if row["error"] >= CLOSE]
    least = max(above, default=0) + 1
    return least if least <= SHARPNESS[-1] else None


def heads(image: Tensor, size: int, sharpness: float) -> Tensor:
    """Return where each head looks from the middle: (K^2, h + K - 1, w + K - 1)."""
    _, height, width = image.shape
    layer = ConvolutionalAttention(image.new_zeros(1, 1, size, size), sharpness)
    middle = height // 2 * width + width // 2
    seen = layer.weights(height, width)[:, middle]
    return seen.unflatten(1, (height + size - 1, width + size - 1))


def depends_on_others(image: Tensor) -> dict[str, dict[str, float]]:
    """Return the value of one pair of pixels before and after a third one changes.

    A similarity is a function of two vectors: what changes here is none.
    """
    before = pixels(image)
    after = before.clone()
    after[-1] *= 2  # the grey pixel of the last corner, twice as bright
    after[-1, 0] = 0
    found = {}
    for domain in DOMAINS:
        values = [domain.function(z)[0, 1].item() for z in (before, after)]
        found[domain.name] = dict(zip(("before", "after"), values, strict=True))
    return found


def summarize(
    verdicts: dict[str, dict[str, Verdict]], maps: dict[str, list], rows: list,
    difference: float, image: Tensor, others: dict,
) -> dict:  # fmt: skip
    """Return what the report quotes."""
    n_pixels = image[0].numel()
    return {
        "n_pixels": n_pixels,
        "verdicts": {
            name: [asdict(v) for v in by_rule.values()]
            for name, by_rule in verdicts.items()
        },
        "maps": maps,
        "by_convolution": difference,
        "apart": f"{difference:.1e}",
        "sharpness": rows,
        "sharp_enough": sharp_enough(rows),
        "close": CLOSE,
        "others": others,
        "sentences": sentences(verdicts, maps, rows, difference, n_pixels),
    }


def describe(verdicts: dict[str, dict[str, Verdict]]) -> str:
    """Return a line for each function: the rules it keeps, and those it breaks."""
    width = max(map(len, verdicts))
    lines = [f"{'':{width}}  " + "  ".join(f"{rule:>9}" for rule in RULES)]
    for name, by_rule in verdicts.items():
        marks = ("holds" if v.holds else "broken" for v in by_rule.values())
        lines.append(f"{name:{width}}  " + "  ".join(f"{m:>9}" for m in marks))
    return "\n".join(lines)


def sentences(verdicts, maps, rows, difference: float, n_pixels: int) -> list[str]:
    """Return the findings in words that follow the numbers."""
    lines = []
    for name, by_rule in verdicts.items():
        broken = [rule for rule, v in by_rule.items() if not v.holds]
        lines += [
            f"{name}: “{RULES[rule]}” is broken, {by_rule[rule].evidence} "
            f"({by_rule[rule].where})"
            for rule in broken
        ] or [f"{name}: no search has found a counterexample to any rule"]
    for name, found in maps.items():
        beaten = [w["kernel"] for w in found if w["beaten"]]
        lines.append(
            f"{name} maps: another colour than the kernel's own is the largest for "
            f"{len(beaten)} of {len(found)} kernels"
            + (f" ({', '.join(beaten)})" if beaten else "")
        )
    lines.append(
        f"f(Z) by a convolution with {n_pixels} kernels, a pixel each, differs from "
        f"its formula by at most {difference:.1e}"
    )
    least = sharp_enough(rows)
    lines.append(
        f"attention is within {CLOSE:g} of the convolution from sharpness {least} on"
        if least
        else f"attention stays further than {CLOSE:g} from the convolution"
    )
    return lines
