"""The ledger: append-only, whole, and one writer a number."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.file_store import FileBlobStore
from registry.chain import Chain
from registry.errors import LedgerDamaged, LedgerMoved
from registry.identity import this_writer
from registry.ledger import Ledger, Verified, check_stamp, read_stamp
from registry.records import Genesis, Stamp, Takeover, decode

GENESIS = Genesis(ledger="l", environment="local", target="t", model="m")


def ledger_in(folder: Path) -> Ledger:
    """Return the ledger that lies in a folder."""
    copy = Verified(folder / "verified" / "copy.json")
    return Ledger(FileBlobStore(folder), "local", this_writer(), copy)


def filled(folder: Path, count: int = 5) -> Chain:
    """Write record 0 and `count` - 1 more."""
    ledger = ledger_in(folder)
    chain = ledger.append(ledger.read(), GENESIS)
    for number in range(1, count):
        chain = ledger.append(chain, Takeover(intent=0, reason=str(number)))
    return chain


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    """A reader sees the writer's chain."""
    assert filled(tmp_path) == ledger_in(tmp_path).read()


def test_of_many_that_append_to_the_same_head_one_wins(tmp_path: Path) -> None:
    """Creating the next number is the lock."""
    chain = filled(tmp_path)
    won: list[int] = []
    begin = threading.Barrier(8)

    def append(number: int) -> None:
        begin.wait()
        try:
            ledger_in(tmp_path).append(chain, Takeover(intent=0, reason=f"writer {number}"))
        except LedgerMoved:
            return
        won.append(number)

    threads = [threading.Thread(target=append, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    last = ledger_in(tmp_path).read().records[-1].body
    assert last == Takeover(intent=0, reason=f"writer {won[0]}")


def _remove(path: Path) -> None:
    path.unlink()


def _alter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"reason": "2"', b'"reason": "3"'))


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def _swap_with_next(path: Path) -> None:
    other = path.with_name("00000003.json")
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def _no_text(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"reason": "2"', b'"reason": "\xff"'))


def _add_a_stranger(path: Path) -> None:
    path.with_name("notes.txt").write_text("hello")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_remove, "record 2 is missing"),
        (_alter, "record 3 does not follow record 2"),
        (_cut_short, "record 2 cannot be read"),
        (_no_text, "record 2 cannot be read"),
        (_swap_with_next, "record 2 says that it is record 3"),
        (_add_a_stranger, "notes.txt is no record"),
    ],
)
def test_damage_is_found_and_named(
    tmp_path: Path, damage: Callable[[Path], None], named: str
) -> None:
    """Nothing is read from a ledger that is not whole."""
    filled(tmp_path)
    damage(tmp_path / "local" / "00000002.json")
    with pytest.raises(LedgerDamaged, match=named):
        ledger_in(tmp_path).read()


@pytest.mark.parametrize("read", [Ledger.read, Ledger.verify])
def test_a_tail_that_was_cut_off_since_it_was_verified_is_found(
    tmp_path: Path, read: Callable[[Ledger], Chain]
) -> None:
    """A machine remembers what it has verified, also in another process."""
    filled(tmp_path)
    ledger_in(tmp_path).read()
    (tmp_path / "local" / "00000004.json").unlink()
    with pytest.raises(LedgerDamaged, match=r"ends at record 3, and record 4 .* was cut off"):
        read(ledger_in(tmp_path))


@pytest.mark.parametrize("read", [Ledger.read, Ledger.verify])
def test_a_tail_that_was_rewritten_since_it_was_verified_is_found(
    tmp_path: Path, read: Callable[[Ledger], Chain]
) -> None:
    """A chain that is whole in itself is not enough: it is to be the one that was seen."""
    chain = filled(tmp_path)
    ledger_in(tmp_path).read()
    (tmp_path / "local" / "00000004.json").unlink()
    before = Chain(chain.records[:4], chain.digests[:4])
    ledger_in(tmp_path).append(before, Takeover(intent=0, reason="another"))
    with pytest.raises(LedgerDamaged, match="record 4 is not the one that was verified here"):
        read(ledger_in(tmp_path))


def test_a_record_that_no_copy_can_hold_is_read_all_the_same(tmp_path: Path) -> None:
    """A field of a later version may hold anything; it costs the copy, and no command."""
    filled(tmp_path)
    last = tmp_path / "local" / "00000004.json"
    last.write_bytes(last.read_bytes().replace(b'"schema"', b'"later": "\xff", "schema"'))
    assert len(ledger_in(tmp_path).read().records) == 5
    assert len(ledger_in(tmp_path).read().records) == 5


def test_what_was_verified_before_is_not_read_again_but_by_verify(tmp_path: Path) -> None:
    """A command costs what is new; `iris verify-ledger` looks at every record, and names it."""
    chain = filled(tmp_path)
    ledger_in(tmp_path).read()
    _alter(tmp_path / "local" / "00000002.json")
    assert ledger_in(tmp_path).read() == chain
    with pytest.raises(LedgerDamaged, match="record 2 is not the one that was verified here"):
        ledger_in(tmp_path).verify()


@pytest.mark.parametrize("content", [b"", b"[1]", b'["{}"]', b"\xff"])
def test_a_damaged_copy_of_what_was_verified_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """The copy spares time; the ledger in the store is what counts."""
    chain = filled(tmp_path)
    (tmp_path / "verified").mkdir(exist_ok=True)
    (tmp_path / "verified" / "copy.json").write_bytes(content)
    assert ledger_in(tmp_path).read() == chain


def test_who_comes_second_is_told_who_was_first(tmp_path: Path) -> None:
    """He can be asked what he is doing."""
    chain = filled(tmp_path)
    ledger_in(tmp_path).append(chain, Takeover(intent=0, reason="first"))
    with pytest.raises(LedgerMoved, match=r"\(process \d+\) was first: record 5"):
        ledger_in(tmp_path).append(chain, Takeover(intent=0, reason="second"))


def test_a_tail_that_was_cut_off_is_found_by_a_stamp(tmp_path: Path) -> None:
    """A shorter chain is whole in itself; only what was stamped elsewhere can tell."""
    head = filled(tmp_path).head
    assert head is not None
    (tmp_path / "local" / "00000004.json").unlink()
    with pytest.raises(LedgerDamaged, match="the tail was cut off"):
        check_stamp(ledger_in(tmp_path).read(), head, "what serves")


def test_a_tail_that_was_rewritten_is_found_by_a_stamp(tmp_path: Path) -> None:
    """Another record under the same number has another digest."""
    head = filled(tmp_path).head
    assert head is not None
    (tmp_path / "local" / "00000004.json").unlink()
    ledger = ledger_in(tmp_path)
    chain = ledger.append(ledger.read(), Takeover(intent=0, reason="another"))
    with pytest.raises(LedgerDamaged, match="the tail was rewritten"):
        check_stamp(chain, head, "what serves")


@given(number=st.integers(0, 10**9), digest=st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_stamp_reads_as_it_was_written(number: int, digest: str) -> None:
    """It goes through a tag of MLflow as text."""
    assert Stamp.parse(str(Stamp(number, digest))) == Stamp(number, digest)


@pytest.mark.parametrize("text", ["", "7", "7@abc", f"-1@{'a' * 64}", f"{'9' * 5000}@{'a' * 64}"])
def test_what_is_no_stamp_is_damage(text: str) -> None:
    """Anybody can edit a tag of MLflow."""
    with pytest.raises(LedgerDamaged, match="MLflow carries"):
        read_stamp(text, "MLflow")


def test_a_stamp_of_no_record_is_damage(tmp_path: Path) -> None:
    """A negative number counts from no end."""
    chain = filled(tmp_path)
    with pytest.raises(LedgerDamaged):
        check_stamp(chain, Stamp(-1, chain.digests[-1]), "what serves")


def test_yesterdays_record_is_read() -> None:
    """A record of schema 1 as the first release wrote it, to the byte."""
    record = decode((Path(__file__).parent / "record-schema-1.json").read_bytes())
    assert record.number == 1
    assert record.schema == 1
