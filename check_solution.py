"""Check a solution of the exercise: which questions are right, and what is wrong.

python check_solution.py FOLDER

What is looked for, each by itself enough:
  mixture_models.py, transformer.py, dataset.py      the first assignment
  models.py with MySelfAttention and MyLayerNorm     sentiment
and in files of any name, up to two folders below as well:
  SelfAttention                                      the GPT homework
  MultiHeadSelfAttention, TransformerBlock           headlines
  log_likelihood, classification, temperature_scale  GPT-2
A Jupyter notebook is read for its definitions as a file is; what trains is not run.

Exit status: 0 when every question that was checked passed, 1 when one failed, 2 for bad
input, a damaged notebook among it.
"""

import argparse
import importlib.util
import signal
import sys
import time
from pathlib import Path

from grading import report, sandbox, sources
from machinery.errors import BadInput, OneLineParser, describe_end, exit_with
from machinery.files import write_atomic

TIME_LIMIT = 55.0  # seconds


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="write the table as a page, too"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(argv)


def check_input(folder: Path, page: Path | None) -> None:
    """Raise BadInput for a folder without a solution, or a page that has no place."""
    if not folder.exists():
        raise BadInput(f"FOLDER must exist, got {folder}")
    if not folder.is_dir():
        raise BadInput(f"FOLDER must be a folder, got the file {folder}")
    found = sources.scan(folder.resolve())
    judged = any((folder / name).is_file() for name in sandbox.JUDGED)
    if not judged and not any(source.is_asked_for for source in found):
        raise BadInput(
            f"FOLDER must hold one of {', '.join(sandbox.JUDGED)}, or a notebook with "
            f"their classes, or define one of {', '.join(sources.ANYWHERE)}, "
            f"got {folder}{sources.hint(folder.resolve(), found)}"
        )
    if page is not None and not page.resolve().parent.is_dir():
        raise BadInput(f"--html must be in a folder that exists, got {page}")
    if importlib.util.find_spec("pytest") is None:
        raise BadInput('the checks need pytest: pip install -e ".[test]"')


def main(options: argparse.Namespace) -> int:
    """Print the table; return 0 when nothing failed, 1 otherwise."""
    check_input(options.folder, options.html)
    start = time.monotonic()
    folder = options.folder.resolve()
    rows = report.handed_in(sandbox.run([folder], TIME_LIMIT)[folder])
    print(report.table(rows))
    seconds = time.monotonic() - start
    print(f"\n{options.folder}: {report.counts(rows)}, in {seconds:.0f} s")
    if options.html:
        write_atomic(options.html, report.page(folder.name, rows).encode())
        print(f"wrote {options.html}")
    return int(any(row.outcome == "failed" for row in rows))


if __name__ == "__main__":
    options = arguments()
    # so that the process that runs the solution is ended as well
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    try:
        status, message = main(options), ""
    except (Exception, KeyboardInterrupt) as error:
        status, message = describe_end(error, options.debug)
    exit_with(status, " ".join(message.split()), "check_solution.py")
