"""Text to windows: any characters, no window across two splits, bad files refused."""

import codecs
import inspect
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from dataset import DataHandler, ShakespeareDataset, Vocabulary

# what a file can hold and a reader gets back: no NUL, "\r" is read as a newline, and
# a byte-order mark belongs to the encoding
texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\ufeff"), min_size=1
)
few = st.text("ab \nß€😀", min_size=2, max_size=40)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths of a training and a test text to write to, again and again."""
    folder = tmp_path_factory.mktemp("text")
    return folder / "train.txt", folder / "test.txt"


def handler(files, train: str | bytes, test: str | bytes | None = None, block_size=10):
    for path, text in zip(files, (train, test), strict=True):
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return DataHandler(files[0], None if test is None else files[1], block_size)


def refusal(files, train, test=None, block_size=1, split=None) -> str:
    """Return the one-line message of the ValueError for these texts."""
    with pytest.raises(ValueError, match=r"\.txt") as error:
        handler(files, train, test, block_size).get_dataset(split or "train")
    assert "\n" not in str(error.value)
    return str(error.value)


def windows_of(text: str, block_size: int, encoder) -> ShakespeareDataset:
    return ShakespeareDataset(text, block_size, encoder)


# the vocabulary


@given(text=texts)
def test_any_text_is_encoded_and_decoded_to_itself(files, text):
    data = handler(files, text)
    ids = data.encoder(text)
    assert data.decoder(ids) == text
    assert all(0 <= i < data.get_vocab_size() for i in ids)


@given(train=texts, test=texts)
def test_the_vocabulary_is_the_training_text_s_sorted_characters(files, train, test):
    data = handler(files, train + test, test)
    expected = sorted(set(train + test))
    assert data.decoder(range(data.get_vocab_size())) == "".join(expected)
    assert data.encoder("".join(expected)) == list(range(len(expected)))


@given(train=texts, test=texts)
def test_characters_of_the_test_text_alone_are_listed(files, train, test):
    unknown = sorted(set(test) - set(train))
    if not unknown:
        assert handler(files, train, test).get_vocab_size() == len(set(train))
        return
    with pytest.raises(ValueError, match=r"test\.txt has characters that") as error:
        handler(files, train, test)
    listed = str(error.value).partition(" lacks: ")[2]
    assert listed == ", ".join(repr(character) for character in unknown)
    assert str(files[0]) in str(error.value)


@given(known=texts, more=texts)
def test_fault_13_a_character_that_is_not_in_the_vocabulary_is_named(known, more):
    vocabulary = Vocabulary("".join(sorted(set(known))))
    unknown = [character for character in more if character not in known]
    if not unknown:
        assert vocabulary.decode(vocabulary.encode(more)) == more
        return
    message = f"{unknown[0]!r} is not in the vocabulary ({len(set(known))} characters: "
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        vocabulary.encode(known + more)
    assert "\n" not in str(error.value)


def test_fault_13_the_message_lists_the_vocabulary():
    with pytest.raises(ValueError, match="'ß' is not in the vocabulary") as error:
        Vocabulary("\nabc").encode("cabß")
    message = r"'ß' is not in the vocabulary (4 characters: '\nabc')"
    assert str(error.value) == message


# windows


@given(text=few, block_size=st.integers(1, 12))
def test_windows_are_the_text_s_slices_and_y_is_one_character_later(text, block_size):
    vocabulary = Vocabulary("".join(sorted(set(text))))
    if len(text) <= block_size:
        return
    data = windows_of(text, block_size, vocabulary.encode)
    assert len(data) == len(text) - block_size
    for i, (x, y) in enumerate(data):
        assert x.shape == y.shape == (block_size,)
        assert x.dtype == y.dtype == torch.int64
        assert vocabulary.decode(x.tolist()) == text[i : i + block_size]
        assert vocabulary.decode(y.tolist()) == text[i + 1 : i + 1 + block_size]
    assert i == len(data) - 1


@given(train=few, test=few, block_size=st.integers(1, 6))
def test_no_window_crosses_from_one_split_into_the_other(
    files, train, test, block_size
):
    train = train + "ab \nß€😀"
    data = handler(files, train, test, block_size)
    for split, text in (("train", train), ("test", test)):
        if len(text) > block_size:
            found = data.get_dataset(split)
            spelt = [data.decoder([x[0].item(), *y.tolist()]) for x, y in found]
            slices = [text[i : i + block_size + 1] for i in range(len(text))]
            assert spelt == [s for s in slices if len(s) == block_size + 1]


@given(
    n=st.integers(2, 30),
    block_size=st.integers(1, 12),
    starts=st.lists(st.integers(0, 99), max_size=8),
)
def test_many_windows_at_once_are_the_items_stacked(n, block_size, starts):
    text = "".join(map(chr, range(32, 32 + 2 * n * block_size)))  # none repeats
    data = windows_of(text, block_size, Vocabulary(text).encode)
    starts = [i % len(data) for i in starts]
    found = data.windows(torch.tensor(starts, dtype=torch.int64))
    assert found.shape == (len(starts), block_size + 1)
    for row, i in zip(found, starts, strict=True):
        x, y = data[i]
        assert torch.equal(row[:-1], x)
        assert torch.equal(row[1:], y)


def test_windows_are_made_where_the_text_lives():
    data = windows_of("abcdefgh", 3, Vocabulary("abcdefgh").encode)
    data.ids = data.ids.to("meta")  # holds no number, and mixes with no other device
    found = data.windows(torch.tensor([0, 2], device="meta"))
    assert (found.device.type, found.shape) == ("meta", (2, 4))


def test_an_index_past_either_end_is_an_index_error():
    data = windows_of("abcdefgh", 3, Vocabulary("abcdefgh").encode)
    assert [data[-1][0].tolist(), data[4][0].tolist()] == [[4, 5, 6]] * 2
    assert data[-5][0].tolist() == data[0][0].tolist() == [0, 1, 2]
    for i in (5, -6, 99):
        with pytest.raises(IndexError, match=f"{i} of 5"):
            data[i]


def test_a_shuffling_data_loader_gives_every_window_once():
    text = "".join(map(chr, range(33, 33 + 40)))
    vocabulary = Vocabulary(text)
    data = windows_of(text, 4, vocabulary.encode)
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(data, batch_size=8, shuffle=True, generator=generator)
    seen = []
    for x, y in loader:
        assert x.shape == y.shape == (len(x), 4)
        assert torch.equal(y[:, :-1], x[:, 1:])
        seen += x[:, 0].tolist()
    assert sorted(seen) == list(range(36))
    assert seen != sorted(seen)


def test_the_dataset_takes_any_encoder():
    data = windows_of("hello", 2, lambda text: [ord(c) for c in text])
    assert data[1][1].tolist() == [ord("l"), ord("l")]


def test_the_exercise_s_block_size_is_10(files):
    assert inspect.signature(DataHandler).parameters["block_size"].default == 10
    files[0].write_text("abc" * 9)
    assert DataHandler(files[0]).get_dataset("train")[0][0].shape == (10,)


def test_without_a_test_text_there_is_only_training(files):
    data = handler(files, "hello world")
    with pytest.raises(ValueError, match="no 'test' text, only train"):
        data.get_dataset("test")
    with pytest.raises(ValueError, match="no 'valid' text, only train, test"):
        handler(files, "hello world", "hello").get_dataset("valid")


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("block_size", [1, 4, 10])
def test_fault_17_a_text_shorter_than_a_block_and_one_is_refused(
    files, split, block_size
):
    for length in range(block_size + 3):
        text = ("ab" * 20)[:length]
        both = (text, None) if split == "train" else ("ab" * 20, text)
        if length > block_size:
            data = handler(files, *both, block_size).get_dataset(split)
            assert len(data) == length - block_size
        else:
            found = refusal(files, *both, block_size, split)
            assert found.endswith(
                f"{split}.txt: the text has {length} characters; "
                f"block_size {block_size} needs at least {block_size + 1}"
            )


def test_fault_17_characters_are_counted_and_not_bytes(files):
    message = "the text has 4 characters; block_size 4 needs at least 5"
    assert message in refusal(files, "ß€😀a", block_size=4)
    assert len(handler(files, "ß€😀ab", block_size=4).get_dataset("train")) == 1


@pytest.mark.parametrize("block_size", [0, -1, -5])
def test_a_block_of_nothing_is_refused(files, block_size):
    with pytest.raises(ValueError, match=rf"block_size must be .*{block_size}"):
        handler(files, "abcdef", block_size=block_size).get_dataset("train")


# files


@given(before=texts, bad=st.sampled_from([b"\xff", b"\xc3", b"\xe2\x82", b"\x80"]))
def test_fault_18_a_byte_that_is_not_utf_8_is_named_with_its_offset(files, before, bad):
    data = before.encode()
    assert refusal(files, data + bad + b"a") == (
        f"{files[0]} is not UTF-8 at byte {len(data)}"
    )
    # of the file, byte-order mark and all
    assert refusal(files, codecs.BOM_UTF8 + data + bad + b"a") == (
        f"{files[0]} is not UTF-8 at byte {len(data) + 3}"
    )


def test_fault_18_latin_1_and_utf_16_are_refused(files):
    assert "is not UTF-8 at byte 3" in refusal(files, "abcü".encode("latin-1"))
    assert "is not UTF-8 at byte 0" in refusal(files, "hello".encode("utf-16"))


@given(before=texts, mark=st.booleans())
def test_fault_18_a_nul_is_named_with_its_offset(files, before, mark):
    data = codecs.BOM_UTF8 * mark + before.encode()
    found = refusal(files, data + b"\0" + b"a\0")
    assert re.fullmatch(rf".*train\.txt is not text: .* byte {len(data)}", found)


@given(text=texts)
def test_fault_18_a_byte_order_mark_is_dropped(files, text):
    assert handler(files, codecs.BOM_UTF8 + text.encode()).text == {"train": text}


@given(lines=st.lists(st.text("abc"), min_size=1), ends=st.data())
def test_fault_18_every_line_end_is_read_as_a_newline(files, lines, ends):
    end = st.sampled_from(["\n", "\r\n", "\r"])
    # a lone "\r" before an empty line's "\n" would be one line end and not two
    written = "".join(line + "x" + ends.draw(end) for line in lines)
    assert handler(files, written).text["train"] == "".join(s + "x\n" for s in lines)


@given(data=st.binary(min_size=1, max_size=40))
def test_fault_18_any_bytes_are_text_or_refused_with_the_file_s_name(files, data):
    try:
        expected = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        expected = None
    if expected is None or "\0" in expected:
        assert str(files[0]) in refusal(files, data)
    else:
        found = handler(files, data).text["train"]
        assert found.splitlines() == expected.splitlines()
        assert "\r" not in found


def test_fault_18_the_test_text_is_checked_as_well(files):
    assert f"{files[1]} is not UTF-8 at byte 2" in refusal(files, "abc", b"ab\xff")


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.txt"):
        DataHandler(tmp_path / "absent.txt")


def test_a_prompt_is_its_characters_and_an_empty_one_a_new_line():
    assert Vocabulary("\nab").encode_prompt("ba") == [2, 1]
    assert Vocabulary("!\n").encode_prompt("") == [1]
    assert Vocabulary("xyz").encode_prompt("") == [0]  # no text has lines
    with pytest.raises(ValueError, match="'c' is not in the vocabulary"):
        Vocabulary("ab").encode_prompt("c")
