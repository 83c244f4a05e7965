"""Compare attention with convolution: which of their values are similarities?

python compare_similarity.py         # figures and numbers in outputs/similarity/
"""

from dataclasses import asdict

import torch

from machinery import cli
from machinery.run_folder import RunFolder
from similarity import functions, plots, questions
from similarity.config import Config
from similarity.data import pixels

MATRICES = {  # question (b): its title, and the function that is judged
    "i: ZZᵀ": "dot product",
    "ii: softmax of its rows": "softmax of rows",
    "iii: softmax of all": "softmax of all cosines",
    "iv: f(Z), by convolution": "scaled cosine",
}


def main(config: Config) -> None:
    cli.begin(config)
    with RunFolder(config.output_dir) as folder:
        image, kernels, names = questions.given(config)
        verdicts = questions.judge(image, config)
        maps = draw_maps(image, kernels, names, folder)
        z = pixels(image)
        values = [
            functions.dot(z),
            functions.row_softmax(z),
            functions.whole_softmax(z),
            functions.scaled_cosine_by_convolution(image),
        ]
        shown = {
            title: (value.numpy(), {k: v.holds for k, v in verdicts[name].items()})
            for (title, name), value in zip(MATRICES.items(), values, strict=True)
        }
        folder.write_figure("matrices.png", plots.matrices(shown))
        rows = convolve_by_attention(image, config, folder)
        summary = questions.summarize(
            verdicts, maps, rows, questions.difference_by_convolution(image), image,
            questions.depends_on_others(image),
        )  # fmt: skip
        print(questions.describe(verdicts), *summary["sentences"], sep="\n")
        folder.write_summary(asdict(config), **summary)


def draw_maps(image, kernels, names: list[str], folder: RunFolder) -> dict[str, list]:
    """Draw question (a); return whose colour is the largest in each kernel's map."""
    colors = kernels.flatten(1).numpy()
    figure = plots.image_and_kernels(image.permute(1, 2, 0).numpy(), colors, names)
    folder.write_figure("image.png", figure)
    found = {}
    for name, function in {
        "dot product": functions.activation_maps,
        "cosine": functions.cosine_maps,
    }.items():
        maps = function(image, kernels)
        figure = plots.maps(maps.numpy(), colors, names, name)
        folder.write_figure(f"maps_{name.partition(' ')[0]}.png", figure)
        found[name] = questions.winners(image, kernels, maps, names)
    return found


def convolve_by_attention(image, config: Config, folder: RunFolder) -> list:
    """Draw how attention becomes a convolution; return its distance by sharpness."""
    generator = torch.Generator().manual_seed(config.seed)
    size = config.kernel_size
    kernel = questions.random_kernel(size, questions.CHANNELS, generator)
    rows = questions.against_sharpness(image, kernel)
    columns = ([row[k] for row in rows] for k in ("sharpness", "error", "leaves"))
    folder.write_figure("sharpness.png", plots.sharpness(*columns, questions.CLOSE))
    sharp = questions.sharp_enough(rows) or questions.SHARPNESS[-1]
    soft = 1
    both = [questions.heads(image, size, a).numpy() for a in (soft, sharp)]
    folder.write_figure("heads.png", plots.heads(*both, (soft, sharp)))
    return rows


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
