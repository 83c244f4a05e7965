"""Put the trained models into one page that opens in any browser, from disk too.

python export_playground.py      # outputs/playground/index.html, in seconds

It takes what is there: a panel without its model says which command trains one.
"""

from pathlib import Path

from machinery import cli
from machinery.errors import BadInput
from machinery.run_folder import RunFolder
from playground import bundle, collect
from playground.config import Config


def main(config: Config) -> None:
    packs = collect.collect(config)
    missing = {n: c for n, c in collect.COMMANDS.items() if n not in packs}
    if not packs:
        raise BadInput(
            f"{config.outputs} has no trained model; run "
            f"{', '.join(missing.values())}, any of them"
        )
    beside = {name: packs.pop(name) for name in collect.BESIDE if name in packs}
    page = bundle.make_page(packs, missing)
    with RunFolder(config.output_dir) as folder:
        folder.write("index.html", page.encode())
        for name, pack in beside.items():
            folder.write(f"{name}.js", bundle.second_file(name, pack).encode())
        tell(folder.written, missing)


def tell(written: list[Path], missing: dict[str, str]) -> None:
    """Name the files and their sizes, and what would be in them besides."""
    for path in written:
        print(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB)")
    for name, command in missing.items():
        print(f"without {name}: {command} trains it")


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
