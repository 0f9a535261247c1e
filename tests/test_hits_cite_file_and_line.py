"""Every hit says where it stands: the file, and the lines or the page that one can open."""

from __future__ import annotations

from pathlib import Path

from harness import KernelProcess
from library import cited, llmos, search, write_folder


def test_the_lines_that_are_cited_hold_what_was_found(
    sim_kernel: KernelProcess, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "harbour")
    llmos(sim_kernel, "ingest", str(folder), "-n", "lines")
    for question, name, first, last, words in (
        ("keeper trims the wick", "lighthouse.md", 5, 7, "trims the wick"),
        ("harbourmaster on channel twelve", "rules.html", 6, 7, "channel twelve"),
        ("metres above the chart datum", "tides.py", 6, 9, "def tide_height"),
        ("captain of the Aurora", "ships.csv", 2, 3, "Ingrid Solberg"),
        ("when does the ferry leave", "ferry.txt", 1, 3, "leaves at seven"),
    ):
        (found,) = search(sim_kernel, "lines", question)
        assert cited(found) == [(name, "line", first, last)]
        lines = (folder / name).read_text().splitlines()[first - 1 : last]
        assert words in "\n".join(lines)


def test_a_pdf_is_cited_by_page(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "harbour")
    llmos(sim_kernel, "ingest", str(folder / "report.pdf"), "-n", "pages")
    (found,) = search(sim_kernel, "pages", "what does the repair cost")
    assert cited(found) == [("report.pdf", "page", 2, 2)]
    shown = sim_kernel.llmos("kb", "pages", "--search", "what does the repair cost", "-k", "1")
    assert shown.stdout.startswith(f"{folder}/report.pdf, page 2\nThe repair will cost")


def test_what_stands_twice_is_found_once_and_cited_twice(
    sim_kernel: KernelProcess, tmp_path: Path
) -> None:
    (tmp_path / "one.md").write_text("# Licence\n\nUse it as you like.\n")
    (tmp_path / "two.md").write_text("# About\n\nA boat.\n\n# Licence\n\nUse it as you like.\n")
    (tmp_path / "two copy.md").write_text((tmp_path / "two.md").read_text())
    done = llmos(sim_kernel, "ingest", str(tmp_path), "-n", "twice")
    assert (done["added"], done["duplicate"]) == (2, 1)
    found = search(sim_kernel, "twice", "licence", 9)
    assert [cited(one) for one in found if "Use it" in one["text"]] == [
        [
            ("one.md", "line", 1, 3),
            ("two copy.md", "line", 5, 7),
            ("two.md", "line", 5, 7),
        ]
    ]
    (namespace,) = [one for one in llmos(sim_kernel, "kb")["namespaces"] if one["name"] == "twice"]
    assert (namespace["documents"], namespace["passages"]) == (3, 2)


def test_lines_that_have_moved_are_cited_where_they_are(
    sim_kernel: KernelProcess, tmp_path: Path
) -> None:
    file = tmp_path / "log.md"
    file.write_text("# Log\n\nA seal was seen.\n")
    llmos(sim_kernel, "ingest", str(file), "-n", "moved")
    file.write_text("# Weather\n\nFog.\n\n# Log\n\nA seal was seen.\n")
    assert llmos(sim_kernel, "ingest", str(file), "-n", "moved")["changed"] == 1
    (found,) = search(sim_kernel, "moved", "a seal was seen")
    assert cited(found) == [("log.md", "line", 5, 7)]
