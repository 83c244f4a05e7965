"""Train decoder transformers of four sizes on headlines; answer the assignment.

python train_headlines.py            # figures, texts, numbers, models
"""

from headlines import experiment
from headlines.config import Config
from headlines.data import load_corpus
from machinery import cli
from machinery.run_folder import RunFolder


def main(config: Config) -> None:
    device = cli.begin(config)
    corpus = load_corpus(config)
    print(*corpus.notes, sep="\n")
    with RunFolder(config.output_dir) as folder:
        trained, few = experiment.train_all(config, corpus, device, folder.path)


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
