"""Sample GPT-2: sentences, likelihood, a classifier, a temperature that looks ahead.

python sample_gpt2.py                        # figures, texts, numbers: outputs/gpt2/
python sample_gpt2.py --weights gpt2/        # the same with GPT-2's weights
python sample_gpt2.py --prompt "The film" --horizon 2 --temperature 0.5

Without --weights a small stand-in is trained on movie reviews first, once, and kept in
outputs/gpt2/stand_in.pt.
"""

from dataclasses import asdict

from gpt2 import answers, plots, questions, sampling, source
from gpt2.config import Config
from gpt2.horizon import check_horizon
from gpt2.questions import Asked
from machinery import cli
from machinery.progress import stoppable
from machinery.run_folder import RunFolder


def main(config: Config) -> None:
    device = cli.begin(config)
    # whatever cannot be used is refused before anything is written
    given = source.from_weights(config.weights) if config.weights else None
    held_out = source.held_out() if config.prompt is None else []
    if config.prompt is not None:
        n_vocab = given[1].n_vocab if given else source.RECIPE.vocab_size
        check_horizon(config.horizon, min(config.top_k or n_vocab, n_vocab))
    with RunFolder(config.output_dir) as folder:
        model, pairs, about = given or source.from_stand_in(config, folder)
        model.to(device)
        if config.prompt is not None:
            write(model, pairs, config)
            return
        answer(Asked(model, pairs, held_out, config), about, folder)


def write(model, pairs, config: Config) -> None:
    """Continue the prompt, showing each token as it comes."""
    idx = questions.as_prompt(model, pairs, config.prompt)
    print(config.prompt, end="", flush=True)
    tokens = stoppable(sampling.continuation(model, idx, config, config.seed))
    sampling.stream(tokens, pairs, lambda text: print(text, end="", flush=True))
    print()


def answer(asked: Asked, about: dict, folder: RunFolder) -> None:
    """Ask all questions; write texts, figures and summary.json."""
    who = about["name"]
    sentences = questions.write_sentences(asked)
    page = answers.sentences_page(sentences, who)
    folder.write("sentences.md", page.encode())
    continued = questions.continue_openings(asked)
    page = answers.continuations_page(continued, who)
    folder.write("continuations.md", page.encode())
    texts = questions.strings(asked)
    scores = questions.score(asked, texts)
    folder.write_figure("likelihood.png", plots.histograms(scores))
    apart = questions.tell_apart(scores)
    areas = questions.areas_by_length(asked, texts)
    curves = {name: found.pop("roc") for name, found in apart.items()}
    figure = plots.classifier(curves, questions.LENGTHS, areas)
    folder.write_figure("classifier.png", figure)
    levels = questions.pairs_ahead(asked, questions.TOP_K_PAIRS)
    gap = questions.product_against_joint(levels)
    folder.write_figure("product.png", plots.product_against_joint(gap))
    written = questions.pairs_ahead(asked, questions.TOP_K_AHEAD)
    rows = questions.written_ahead(asked, questions.as_sharp(written))
    folder.write_figure("horizon.png", plots.ahead(rows))
    folder.write("horizon.md", answers.ahead_page(rows, who).encode())
    found = {
        "model": about,
        "bits_of_a_token": questions.bits_of_a_token(),
        "added_parameters": questions.added_parameters(),
        "sentences": sentences,
        "likelihood": answers.summarize_scores(scores),
        "classifier": apart,
        "areas": {"lengths": list(questions.LENGTHS)} | areas,
        "product_against_joint": gap,
        "same_first_token": questions.best_pair(levels),
        "ahead": [row | {"texts": row["texts"][:1]} for row in rows],
    }
    lines = answers.verdicts(found)
    print(*about["lines"], "", *lines, "", answers.describe_ahead(rows), sep="\n")
    folder.write_summary(asdict(asked.config), **found, verdicts=lines)


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
