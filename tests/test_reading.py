from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from addnn_spec.diagnostics import Diagnostic, DiagnosticError
from addnn_spec.reading import decode, read_source


def refusal(data: bytes, *, max_bytes: int = 1000) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        decode("a.net", data, max_bytes=max_bytes)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def place(diagnostic: Diagnostic) -> tuple[str, tuple[int, int]]:
    assert diagnostic.primary is not None
    span = diagnostic.primary.span
    return span.source.name, span.position


@pytest.mark.parametrize(
    "data",
    [
        b"let a = 1\nlet b = 2\n",
        b"let a = 1\r\nlet b = 2\r\n",
        b"\xef\xbb\xbflet a = 1\nlet b = 2\n",
    ],
)
def test_bom_and_crlf_make_no_difference(data: bytes) -> None:
    assert decode("a.net", data).text == "let a = 1\nlet b = 2\n"


@pytest.mark.parametrize("data", [b"", b"# only a remark", "# 卷積\n".encode()])
def test_clean_text_is_kept(data: bytes) -> None:
    assert decode("a.net", data).text == data.decode()


def test_a_byte_that_is_not_utf8_is_named_with_its_place() -> None:
    diagnostic = refusal(b"let a = 1\r\nlet \xff = 2\n")
    assert diagnostic.code == "E0001"
    assert diagnostic.message == "byte 15 (0xff) is not UTF-8"
    assert place(diagnostic) == ("a.net", (2, 5))


@pytest.mark.parametrize("data", [b"\xed\xa0\x80", b"\xc0\xaf", b"\xe5\x8d", b"a\x00\xff"])
def test_surrogates_overlong_and_cut_sequences_are_refused(data: bytes) -> None:
    assert refusal(data).code == "E0001"


@pytest.mark.parametrize(
    ("data", "expected"), [(b"# c\ry = 2\n", (1, 4)), (b"a\r\nb\r\r\n", (2, 2)), (b"a\r", (1, 2))]
)
def test_a_lone_carriage_return_is_refused(data: bytes, expected: tuple[int, int]) -> None:
    diagnostic = refusal(data)
    assert diagnostic.code == "E0002"
    assert "carriage return" in diagnostic.message
    assert place(diagnostic)[1] == expected


def test_a_nul_is_refused() -> None:
    diagnostic = refusal(b"let a\0 = 1")
    assert (diagnostic.code, place(diagnostic)[1]) == ("E0002", (1, 6))


BIDI_CLASSES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
BIDI_MARKS = {0x061C, 0x200E, 0x200F}  # ALM, LRM, RLM: the rest of Bidi_Control


def is_refused(character: str) -> bool:
    try:
        decode("a.net", f"# {character}a".encode())
    except DiagnosticError:
        return True
    return False


def test_exactly_the_bidirectional_controls_among_format_characters_are_refused() -> None:
    formats = [c for c in range(0x110000) if unicodedata.category(chr(c)) == "Cf"]
    refused = {code for code in formats if is_refused(chr(code))}
    by_class = {c for c in range(0x110000) if unicodedata.bidirectional(chr(c)) in BIDI_CLASSES}
    assert refused == by_class | BIDI_MARKS


def test_each_forbidden_character_is_reported() -> None:
    with pytest.raises(DiagnosticError) as caught:
        decode("a.net", "a\0\n\u202e".encode())
    assert [place(d)[1] for d in caught.value.diagnostics] == [(1, 2), (2, 1)]


def test_the_size_limit_is_exact() -> None:
    assert decode("a.net", b"x" * 10, max_bytes=10).text == "x" * 10
    diagnostic = refusal(b"x" * 11, max_bytes=10)
    assert diagnostic.code == "E0501"
    assert place(diagnostic)[0] == "a.net"


def test_a_file_is_read_under_the_name_that_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.net"
    path.write_bytes(b"let a = 1\r\n")
    assert read_source(path).name == str(path)
    assert read_source(path, name="specs/a.net").name == "specs/a.net"
    assert read_source(path).text == "let a = 1\n"


@pytest.mark.parametrize("name", ["absent.net", ".", "a\0b"])
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read_source(tmp_path / name)
    assert [d.code for d in caught.value.diagnostics] == ["E0601"]


def test_an_endless_file_is_read_to_the_limit_only() -> None:
    with pytest.raises(DiagnosticError) as caught:
        read_source(Path("/dev/zero"), max_bytes=1000)
    assert [d.code for d in caught.value.diagnostics] == ["E0501"]
