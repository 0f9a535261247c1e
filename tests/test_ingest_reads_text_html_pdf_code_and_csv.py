"""`llmos ingest` reads what people write: each kind by its structure, and no pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness import KernelProcess
from library import cited, llmos, search, write_folder
from llmos.ingest.passage import Unreadable
from llmos.ingest.reader import Reader


def test_a_folder_is_read_and_each_kind_is_found(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "harbour")
    done = llmos(sim_kernel, "ingest", str(folder), "-n", "kinds")
    assert (done["added"], done["failed"]) == (6, [])
    names = [
        Path(one["source"]["path"]).name for one in llmos(sim_kernel, "kb", "kinds")["documents"]
    ]
    assert names == "ferry.txt lighthouse.md report.pdf rules.html ships.csv tides.py".split()
    for question, name in {
        "rapeseed oil": "lighthouse.md",
        "anchoring in the fairway": "rules.html",
        "metres above the chart datum": "tides.py",
        "cargo of the Bellona": "ships.csv",
        "ferry on Sundays": "ferry.txt",
        "cost of the repair": "report.pdf",
    }.items():
        (found,) = search(sim_kernel, "kinds", question)
        assert cited(found)[0][0] == name, question
    assert not any("swordfish" in one["text"] for one in search(sim_kernel, "kinds", "password", 9))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


def test_passages_stand_under_their_headings(reader: Reader, folder: Path) -> None:
    lighthouse = reader.read(str(folder / "lighthouse.md"))
    assert [(one.heading, one.first, one.last) for one in lighthouse.passages] == [
        ("The lighthouse", 1, 3),
        ("The lighthouse > The lamp", 5, 7),
        ("The lighthouse > The stairs", 9, 14),
    ]
    rules = reader.read(str(folder / "rules.html"))
    assert [(one.heading, one.first, one.last) for one in rules.passages] == [
        ("Harbour rules", 6, 7),
        ("Harbour rules > Anchoring", 8, 10),
    ]
    text = "\n".join(one.text for one in rules.passages)
    assert not any(word in text for word in ("Imprint", "track", "color", "Copyright", "\ue000"))


def test_functions_are_whole_and_named(reader: Reader, folder: Path) -> None:
    tides = reader.read(str(folder / "tides.py"))
    named = {one.heading: one for one in tides.passages}
    assert list(named) == ["", "tide_height", "Almanac"]
    assert named["tide_height"].text.startswith("# Rises and falls twice a day.\ndef tide_height")
    assert (named["tide_height"].first, named["tide_height"].last) == (6, 9)


@pytest.mark.parametrize(
    ("name", "source", "headings"),
    [
        ("a.rs", "impl Boat {\n    fn sail(&self) {\n    }\n}\n", {"Boat"}),
        ("a.go", "package a\n\nfunc (b *Boat) Sail() {\n\tgo b.row()\n}\n", {"", "Sail"}),
        ("a.c", "static int *sail(int a) {\n    return 0;\n}\n", {"sail"}),
        ("a.ts", "export class Boat {\n  sail() {\n  }\n}\n", {"Boat"}),
        ("a.java", "class Boat {\n  void sail() {\n  }\n}\n", {"Boat"}),
        ("a.js", "export function sail() {\n  return 1;\n}\n", {"sail"}),
        ("a.cpp", "int Boat::sail() {\n  return 1;\n}\n", {"Boat::sail"}),
    ],
)
def test_other_languages_too(
    reader: Reader, tmp_path: Path, name: str, source: str, headings: set[str]
) -> None:
    (tmp_path / name).write_text(source)
    read = reader.read(str(tmp_path / name))
    assert {one.heading for one in read.passages} == headings


def test_a_large_class_is_divided(reader: Reader, tmp_path: Path) -> None:
    methods = "\n".join(
        f"    def method_{n}(self):\n        return {'1 + ' * 40}{n}\n" for n in range(30)
    )
    (tmp_path / "big.py").write_text(f"class Big:\n{methods}")
    passages = reader.read(str(tmp_path / "big.py")).passages
    assert [one.heading for one in passages] == [
        "Big",
        *(f"Big > method_{n}" for n in range(30)),
    ]


def test_a_row_is_understood_without_its_header(reader: Reader, folder: Path) -> None:
    (rows,) = reader.read(str(folder / "ships.csv")).passages
    assert rows.text.splitlines() == [
        "ship: Aurora, captain: Ingrid Solberg, cargo: timber",
        "ship: Bellona, captain: Tomasz Wilk, cargo: salt, in sacks",
    ]
    assert (rows.first, rows.last) == (2, 3)


def test_old_encodings_are_understood(reader: Reader, tmp_path: Path) -> None:
    sentence = "Die Fähre fährt täglich um sieben Uhr über den großen See nach Überlingen.\n"
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        (tmp_path / "a.txt").write_bytes((sentence * 3).encode(encoding))
        (passage,) = reader.read(str(tmp_path / "a.txt")).passages
        assert passage.text.startswith(sentence.strip()), encoding


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.bin", b"\0\1\2", "it is binary"),
        ("a.pdf", b"%PDF-1.7 but no more", "cannot be opened as PDF"),
        ("a.js", b"x = [" + b"1," * 60_000 + b"]", "a line of 120,006 characters"),
        ("a.csv", b'a,b\n1,"' + b"x" * 200_000 + b'"\n', "field larger than field limit"),
    ],
)
def test_what_cannot_be_read_says_why(
    reader: Reader, tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unreadable, match=why):
        reader.read(str(tmp_path / name))


def test_a_reader_that_dies_or_hangs_costs_one_file(tmp_path: Path, folder: Path) -> None:
    with Reader() as reader:
        reader.read(str(folder / "ferry.txt"))
        assert reader.pid is not None
        os.kill(reader.pid, 9)
        with pytest.raises(Unreadable, match="crashed its reader"):
            reader.read(str(folder / "ferry.txt"))
        assert reader.read(str(folder / "ferry.txt")).passages
    os.mkfifo(tmp_path / "pipe.txt")
    with Reader(timeout_s=0.0) as reader, pytest.raises(Unreadable, match="takes longer than 0 s"):
        reader.read(str(folder / "lighthouse.md"))


def test_what_cannot_be_read_does_not_stop_the_others(
    sim_kernel: KernelProcess, tmp_path: Path
) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 but no more")
    (tmp_path / "fine.md").write_text("# Fine\n\nThe weather is fine.\n")
    done = llmos(sim_kernel, "ingest", str(tmp_path), "-n", "broken", status=1)
    assert done["added"] == 1
    (failed,) = done["failed"]
    assert failed["path"] == str(tmp_path / "broken.pdf")
    assert "cannot be opened as PDF" in failed["error"]
