"""Files to frames: one table in every kind of file, and a sentence for every file that has none."""

import datetime as dt
import gzip
import io
import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from src.config.table_path import table_file
from src.errors import LabError
from src.tables import reading
from src.tables.reading import Reading, ReadTable, read_table

ROWS: list[list[Any]] = [
    ["Köln", 50.5, 2, "yes"],
    ["Łódź", 80.25, 3, None],
    ["", -120.0, 5, "no"],
    ["São Paulo", 65.125, 2, "yes"],
    ["Malmö", 0.5, 4, "no"],
    ["Orléans", 1400.0, 6, "no"],
    ["Köln", 61.5, 2, "yes"],
    ["Brașov", 61.75, 3, "yes"],
    ["Århus", 12.5, 1, "no"],
    ["Zürich", 75.5, 3, "yes"],
]
NAMES = ["city", "size", "rooms", "garden"]
HOUSES = pl.DataFrame(ROWS, schema=NAMES, orient="row").with_columns(
    pl.when(pl.col("city") != "").then(pl.col("city")).alias("city")
)
"""Text in many letters, missing cells, fractions and whole numbers."""


@pytest.fixture
def read(tmp_path):
    """`read(content, "name.csv", **how)`: a file that holds the text or bytes, read."""

    def _read(content: str | bytes, name: str = "houses.csv", **how: Any) -> ReadTable:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, Reading(**how))

    return _read


@pytest.fixture
def refusal(read, tmp_path):
    """`refusal(content, "name.csv", **how)`: the sentence of a file that cannot be read, without its path."""

    def _refusal(content: str | bytes, name: str = "houses.csv", **how: Any) -> str:
        with pytest.raises(LabError) as caught:
            read(content, name, **how)
        sentence = str(caught.value)
        assert "\n" not in sentence
        return sentence.removeprefix(f"data.path={tmp_path / name}: ")

    return _refusal


def text(frame: pl.DataFrame, separator: str = ",", decimal: str = ".", end: str = "\n", header: bool = True) -> str:
    """A frame as text, written by polars."""
    return frame.write_csv(
        separator=separator, decimal_comma=decimal == ",", line_terminator=end, include_header=header
    )


def zipped(**files: str | bytes) -> bytes:
    """A zip file; two underscores of a name are a dot."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def written(frame: pl.DataFrame, method: str, **how: Any) -> bytes:
    stream = io.BytesIO()
    getattr(frame, method)(stream, **how)
    return stream.getvalue()


def spreadsheet(rows: list[list[Any]], sheets: int = 1) -> bytes:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"default_date_format": "yyyy-mm-dd"}) as book:
        first, *_ = [book.add_worksheet() for _ in range(sheets)]
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                first.write(row, column, cell)
    return stream.getvalue()


RECORDS = [{name: cell or None if cell != 0 else 0 for name, cell in zip(NAMES, row, strict=True)} for row in ROWS]
BLANKS = "\n".join("   ".join(str(cell if cell != "" else "?") for cell in row[1:3]) for row in ROWS)
KINDS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "a.csv": (text(HOUSES), ()),
    "A.CSV": (text(HOUSES), ()),
    "a.tsv": (text(HOUSES, "\t"), ()),
    "a.txt": (text(HOUSES, "\t"), ("read with separator tab",)),
    "semicolons.csv": (text(HOUSES, ";"), ("read with separator ';'",)),
    "comma.csv": (text(HOUSES, ";", ","), ("read with separator ';', decimal comma",)),
    "quoted_comma.csv": (text(HOUSES, ",", ","), ("read with decimal comma",)),
    "a.data": (text(HOUSES, "|"), ("read with separator '|'",)),
    "a.csv.gz": (gzip.compress(text(HOUSES).encode()), ()),
    "a.gz": (gzip.compress(text(HOUSES, ";").encode()), ("read with separator ';'",)),
    "a.zip": (zipped(b__csv=text(HOUSES)), ()),
    "readme.zip": (zipped(readme__txt="see below", b__csv=text(HOUSES)), ("read b.csv of readme.zip",)),
    "mark.csv": ("\ufeff" + text(HOUSES), ()),
    "utf16.csv": (text(HOUSES).encode("utf-16"), ("read with encoding utf-16",)),
    "windows.csv": (text(HOUSES, end="\r\n"), ()),
    "old_mac.csv": (text(HOUSES, end="\r"), ()),
    "doubled.csv": (text(HOUSES, end="\r\r\n"), ()),
    "title.csv": ("Houses of 2020\n\n" + text(HOUSES), ("read with 1 line left out above it",)),
    "comments.csv": ("# houses\n# of 2020\n" + text(HOUSES) + "# end\n", ("read with comments (#) left out",)),
    "comment_header.csv": ("# houses\n#" + text(HOUSES), ("read with comments (#) left out",)),
    "ends.csv": (text(HOUSES, ";").replace("\n", ";\n"), ("read with separator ';'",)),
    "row_ends.csv": (text(HOUSES).replace("\n", ",\n").replace(",\n", "\n", 1), ()),
    "empty_lines.csv": (
        text(HOUSES).replace("\nMalmö", "\n\n\nMalmö") + "\n\n",
        ("left out 2 empty rows, which are not counted",),
    ),
    "spaces.csv": (text(HOUSES).replace(",", " , "), ()),
    "quotes.csv": (HOUSES.write_csv(quote_style="always"), ()),
    "a.parquet": (written(HOUSES, "write_parquet"), ()),
    "a.pq": (written(HOUSES, "write_parquet"), ()),
    "a.parquet.gz": (gzip.compress(written(HOUSES, "write_parquet")), ()),
    "a.feather": (written(HOUSES, "write_ipc", compression="lz4"), ()),
    "a.arrow": (written(HOUSES, "write_ipc"), ()),
    "stream.arrow": (written(HOUSES, "write_ipc_stream"), ()),
    "a.jsonl": (written(HOUSES, "write_ndjson"), ()),
    "lines.json": (written(HOUSES, "write_ndjson"), ()),
    "a.json": (json.dumps(RECORDS, indent=1), ()),
    "a.xlsx": (spreadsheet([NAMES, *ROWS]), ()),
    "title.xlsx": (
        spreadsheet([["Houses"], [], NAMES, *ROWS], sheets=2),
        ("read the first of 2 sheets, Sheet1", "read with 1 row left out above it"),
    ),
    "xlsx.zip": (zipped(a__xlsx=spreadsheet([NAMES, *ROWS])), ()),
}


@pytest.mark.parametrize("name", KINDS)
def test_one_table_in_every_kind_of_file(read, name):
    content, told = KINDS[name]
    table = read(content, name)
    assert_frame_equal(table.frame, HOUSES, check_dtypes="xlsx" not in name)  # numbers of spreadsheets are fractions
    assert table.told == told
    assert table.unnamed == frozenset()


@pytest.mark.parametrize(
    ("encoding", "cells"),
    [
        ("latin-1", ["Köln", "Straße", "Besançon", "Århus"]),
        ("cp1252", ["3 €", "„Köln“", "Malmö"]),
        ("cp1251", ["Москва", "Казань", "Санкт-Петербург"]),
        ("koi8-r", ["Москва", "Казань", "Санкт-Петербург"]),
        ("shift_jis", ["東京", "大阪", "横浜"]),
        ("gb18030", ["北京", "上海", "广州"]),
        ("cp1253", ["Αθήνα", "Πάτρα", "Λάρισα"]),
        ("utf-16", ["Łódź", "東京"]),
        ("utf-32", ["Łódź", "東京"]),
    ],
)
def test_letters_are_those_that_were_written(read, encoding, cells):
    content = ("city,size\n" + "".join(f"{cell},{n}\n" for n, cell in enumerate(cells))).encode(encoding)
    for how in ({}, {"encoding": encoding}):
        assert read(content, **how).frame.rows() == [(cell, n) for n, cell in enumerate(cells)]
    assert read(content).told[0].startswith("read with encoding ")
    assert read(content, encoding=encoding).told == ()


def test_encodings_that_read_the_same_are_told_as_the_usual_one(read):
    rows = "".join(f"0{n % 9 + 1}.03.2023;{('München', 'Köln', 'Lübeck')[n % 3]};{n},5 €;schön\n" for n in range(90))
    assert read(f"Datum;Filiale;Umsatz (€);Wetter\n{rows}".encode("cp1252")).told[0].endswith("encoding cp1252")


def test_a_letter_that_is_broken_leaves_the_others_as_they_are(read):
    table = read(("a,b\n" + "größe,1\n" * 20).encode() + b"\xff,2\n")
    assert table.frame["a"].to_list() == ["größe"] * 20 + ["\ufffd"]
    assert table.told == ("read with encoding utf-8 (1 broken letter)",)


HEADERS: dict[str, tuple[str, list[str], int]] = {
    "text above numbers": ("a,b\n1,2\n3,4\n", ["a", "b"], 2),
    "numbers above numbers": ("5.1,3.5\n4.9,3.0\n", ["c1", "c2"], 2),
    "text that recurs": ("5.1,setosa\n4.9,setosa\n7.1,virginica\n", ["c1", "c2"], 3),
    "text only": ("name,kind\nx,u\ny,u\n", ["name", "kind"], 2),
    "text only that recurs": ("p,x\ne,x\np,y\ne,y\n", ["c1", "c2"], 4),
    "years": ("geo,2018,2019\nDE,3,4\nFR,5,:\n", ["geo", "2018", "2019"], 2),
    "counted": ("id,1,2,3\nDE,3,4,9\nFR,5,7,9\n", ["id", "1", "2", "3"], 2),
    "years alone": ("1940,1945,1950,1955\n22.2,44.5,59.6,73.2\n1,2,3,4\n", ["1940", "1945", "1950", "1955"], 2),
    "a row that looks like names": ("alice,12,3\nbob,14,9\n", ["c1", "c2", "c3"], 2),
    "names that begin with digits": ("Id,1stFlr,Street\n1,856,Pave\n2,1262,Pave\n", ["Id", "1stFlr", "Street"], 2),
    "quarters": ("2019Q1,2019Q2\n1,2\n3,4\n", ["2019Q1", "2019Q2"], 2),
    "codes that recur": ("A11,B2\nA12,B1\nA11,B2\n", ["c1", "c2"], 3),
    "a marker above numbers": ("?,1.5,3\n2,2.5,4\n3,3.5,7\n", ["c1", "c2", "c3"], 3),
    "dates above dates": ("2020-01-01,3\n2020-01-02,9\n", ["c1", "c2"], 2),
    "amounts above amounts": ("$5,3\n$7,9\n", ["c1", "c2"], 2),
    "one row": ("a,b\n1,x\n", ["a", "b"], 1),
    "one column": ("size\n3\n4\n", ["size"], 2),
    "spaces around names": (" a , b\n1,2\n", ["a", "b"], 1),
    "names twice": ("a,a,a_2\n1,2,3\n", ["a", "a_3", "a_2"], 1),
    "letters of any script": ("größe & höhe,цена\n1,2\n", ["größe & höhe", "цена"], 1),
}


@pytest.mark.parametrize(("content", "names", "rows"), HEADERS.values(), ids=HEADERS.keys())
def test_a_header_is_noticed_and_its_lack_too(read, content, names, rows):
    table = read(content)
    assert (table.frame.columns, len(table.frame), table.unnamed) == (names, rows, frozenset())
    assert ("no header" in "".join(table.told)) == (names[0] == "c1")


def test_the_header_is_what_is_said(read):
    assert read("a,b\n1,2\n", header=False).frame.rows() == [("a", "b"), ("1", "2")]
    assert read("a,b\n1,2\n", header=False).told == ()
    assert read("1,2\n3,4\n", header=True).frame.to_dicts() == [{"1": 3, "2": 4}]


@pytest.mark.parametrize(
    ("content", "names", "unnamed"),
    [
        (",a,b\n0,1,2\n1,3,4\n", ["c1", "a", "b"], {"c1"}),
        ("a,Unnamed: 1,b\n0,1,2\n1,3,4\n", ["a", "c2", "b"], {"c2"}),
        (",16.5,17.5\n18,0,1\n19,1,3\n", ["c1", "16.5", "17.5"], {"c1"}),
        (",c1\n0,1\n1,3\n", ["c1_2", "c1"], {"c1_2"}),
        ('"a" "b"\n"x" 1 2\n"y" 3 4\n', ["c1", "a", "b"], {"c1"}),  # R's write.table
        ("a,b,,\n1,2,,\n3,4,,\n", ["a", "b"], set()),
    ],
)
def test_columns_without_a_name(read, content, names, unnamed):
    table = read(content)
    assert (table.frame.columns, table.unnamed) == (names, unnamed)


def test_names_that_are_told_apart_are_told(read):
    assert read("a,b,a,a\n1,2,3,4\n").told == ("columns of one name are told apart: a is a_2, a is a_3",)


CELLS: dict[str, tuple[str, dict[str, list[Any]], str]] = {
    "thousands": ('n,p\nx,"1,234"\ny,"2,555"\n', {"n": ["x", "y"], "p": ["1,234", "2,555"]}, "."),
    "three decimals": ("n;p\nx;1,234\ny;2,555\n", {"n": ["x", "y"], "p": [1.234, 2.555]}, ","),
    "points of thousands": ("p;q\n1.234,5;1\n2,5;2\n", {"p": ["1.234,5", "2,5"], "q": [1, 2]}, ","),
    "blanks of thousands": ("p;q\n1 234,5;1\n2 345,5;2\n", {"p": ["1 234,5", "2 345,5"], "q": [1, 2]}, ","),
    "commas of thousands": ('p,q\n"1,234.5",1\n"2,345.5",2\n', {"p": ["1,234.5", "2,345.5"], "q": [1, 2]}, "."),
    "points and commas": ("p;q\n1,5;1.5\n2,5;2.5\n", {"p": ["1,5", "2,5"], "q": [1.5, 2.5]}, "."),
    "no header": ("1,5;2,5\n2,5;3,5\n", {"c1": [1.5, 2.5], "c2": [2.5, 3.5]}, ","),
    "markers": ("a;b\n1;?\nNA;2\n", {"a": ["1", "NA"], "b": ["?", "2"]}, "."),
    "money": ('p,m\n"$51,000","7 mi."\n$3,8 mi.\n', {"p": ["$51,000", "$3"], "m": ["7 mi.", "8 mi."]}, "."),
    "currency with a comma": ("p;q\n12,50 €;1\n3,00 €;2\n", {"p": ["12,50 €", "3,00 €"], "q": [1, 2]}, ","),
    "commas in text": ("n;x;y\nDoe, J;5;3\nRoe, A;4;2\n", {"n": ["Doe, J", "Roe, A"], "x": [5, 4], "y": [3, 2]}, "."),
    "lists in text": ("i,g\n1,a|b|c\n2,a|c|d\n", {"i": [1, 2], "g": ["a|b|c", "a|c|d"]}, "."),
    "quoted line ends": ('a,b\n"x\ny",1\n"u",2\n', {"a": ["x\ny", "u"], "b": [1, 2]}, "."),
    "inches": ('a,b\n5" pipe,1\n6",2\n', {"a": ['5" pipe', '6"'], "b": [1, 2]}, "."),
    "short rows": ("a,b\n1\n2,3\n", {"a": [1, 2], "b": [None, 3]}, "."),
    "blanks and a tab": ('8  3.5\t"a b"\n 6 ?   "c"\n', {"c1": [8, 6], "c2": ["3.5", "?"], "c3": ["a b", "c"]}, "."),
    "one column": ("x\n1,5\n2,5\n", {"x": [1.5, 2.5]}, ","),
    "a # that is a cell": ("a,b\n#1,2\n#2,3\n", {"a": ["#1", "#2"], "b": [2, 3]}, "."),
    "plus": ("a,b\n+1,2\n-1,3\n", {"a": [1, -1], "b": [2, 3]}, "."),
    "booleans": ("a,b\nTrue,2\nFalse,3\n", {"a": [True, False], "b": [2, 3]}, "."),
}


@pytest.mark.parametrize(("content", "columns", "decimal"), CELLS.values(), ids=CELLS.keys())
def test_plain_numbers_are_numbers_and_the_rest_is_as_written(read, content, columns, decimal):
    table = read(content)
    assert table.frame.to_dict(as_series=False) == columns
    assert table.decimal == decimal


def test_what_is_said_of_a_file_is_not_guessed(read):
    assert read("a b,c d\n1 2,3 4\n", separator="space").frame.rows() == [(1, 2.3, 4)]
    assert read("a;b,c\n1;2,3\n", separator=";", decimal=".").frame.to_dicts() == [{"a": 1, "b,c": "2,3"}]
    for separator in ("tab", "\\t", "\t"):
        assert read("a,b\tc\nx,y\t3\n", separator=separator).frame.to_dicts() == [{"a,b": "x,y", "c": 3}]
    assert read("a;b\n1,5;2\n", decimal=".").frame.to_dicts() == [{"a": "1,5", "b": 2}]
    assert read('a,b\n"1,234",2\n', decimal=",").frame.to_dicts() == [{"a": 1.234, "b": 2}]


def test_dates_of_spreadsheets_and_parquet_files_are_dates(read):
    day = dt.date(2020, 1, 31)
    sheet = read(spreadsheet([["when", "what"], [day, "x"], [day, 3]]), "a.xlsx").frame
    assert sheet["when"].dt.date().to_list() == [day, day]
    assert sheet["what"].to_list() == ["x", "3"]
    frame = pl.DataFrame({"when": [day], "b": [True], "list": [[1]]})
    assert_frame_equal(read(written(frame, "write_parquet"), "a.parquet").frame, frame)


WORDS = st.text("abc xyzäöüß-", min_size=1, max_size=8).map(str.strip).filter(lambda word: word.strip("-").isalpha())


@given(
    data=st.data(),
    rows=st.integers(3, 8),
    separator=st.sampled_from(",;\t|"),
    decimal=st.sampled_from(".,"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    header=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
@settings(max_examples=60, deadline=None)
def test_a_frame_that_is_written_comes_back(tmp_path_factory, data, rows, separator, decimal, end, header, encoding):
    fractions = st.integers(-999, 999).map(lambda n: n + 0.25)
    columns = {
        "word": data.draw(st.lists(WORDS, min_size=rows, max_size=rows)),
        "number": data.draw(st.lists(fractions, min_size=rows, max_size=rows)),
        "count": data.draw(st.lists(st.integers(-(10**6), 10**6), min_size=rows, max_size=rows)),
    }
    frame = pl.DataFrame(columns)
    path = Path(tmp_path_factory.getbasetemp()) / "drawn.csv"
    path.write_bytes(text(frame, separator, decimal, end, header).encode(encoding))
    how = Reading(encoding="cp1252") if encoding == "cp1252" else Reading()  # of so little text no guess is sure
    back = read_table(path, how).frame
    assert_frame_equal(back, frame if header else frame.rename({"word": "c1", "number": "c2", "count": "c3"}))


# --- what is refused -------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[str | bytes, str, str]] = {
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "a.csv", "it is not a table but a PNG picture"),
    "a program": (Path(sys.executable).read_bytes()[:5000], "a.csv", "it is not a table but a program"),
    "a web page": ("\n<!DOCTYPE html>", "a.csv", "it is not a table but a web page: download the file that it shows"),
    "a spreadsheet": (
        spreadsheet([NAMES, *ROWS]),
        "a.csv",
        "it is not a table but a zip file or a spreadsheet: call it .zip or .xlsx",
    ),
    "bytes": (b"a,b\n\0\1,2\n", "a.csv", "it is not a table: it has bytes that no text has"),
    "nothing": ("", "a.csv", "the file is empty"),
    "nothing packed": (gzip.compress(b""), "a.csv.gz", "the file is empty"),
    "an empty parquet file": ("", "a.parquet", "the file is empty"),
    "line ends": ("\n\n", "a.csv", "the file is empty"),
    "a header": ("size,price", "a.csv", "the table has no rows"),
    "an empty array": ("[]", "a.json", "the table has no rows"),
    "an empty sheet": (spreadsheet([NAMES]), "a.xlsx", "the table has no rows"),
    "numbers of an array": (
        "[1, 2]",
        "a.json",
        "must be an array of records, [{...}, {...}], or a record a line",
    ),
    "columns of an array": (
        '{"a": {"0": 1}}',
        "a.json",
        "must be an array of records, [{...}, {...}], or a record a line",
    ),
    "a cut array": ('[{"a": 1}', "a.json", "it cannot be read (Expecting ',' delimiter: line 1 column 10 (char 9))"),
    "a row too long": (
        "a,b\n1,2\n1,3,4\n",
        "a.csv",
        "row 2 has 3 fields and the header 2; put quotes around a field that holds a separator",
    ),
    "a row too long without a header": (
        "1;2\n1;3\n1;3;4\n",
        "a.csv",
        "row 3 has 3 fields and the others 2; put quotes around a field that holds a separator",
    ),
    "an open quote": (
        'a,b\n1,2\n"1,2\n2,3\n',
        "a.csv",
        "row 2 has a quote that is not closed; write a quote inside a field twice",
    ),
    "two tables": (
        zipped(x__csv="a", y__csv="b"),
        "a.zip",
        "it has several tables (x.csv, y.csv); unpack it and name one",
    ),
    "no table": (zipped(x__png="a"), "a.zip", "it has no table (x.png); unpack it and name one"),
    "no gzip": ("a,b\n1,2\n", "a.csv.gz", "it cannot be unpacked (Not a gzipped file (b'a,'))"),
    "no zip": ("a,b\n1,2\n", "a.zip", "it cannot be unpacked (File is not a zip file)"),
}


@pytest.mark.parametrize(("content", "name", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_is_no_table_is_told(refusal, content, name, sentence):
    assert refusal(content, name) == sentence


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.ods", "a.feather", "a.arrow", "a.parquet"])
def test_a_file_that_is_not_what_its_name_says(refusal, name):
    assert refusal("a,b\n1,2\n", name).startswith("it cannot be read (")


def test_a_separator_that_splits_nothing_is_told(refusal, tmp_path):
    assert refusal("a,b\n1,2\n", separator=";") == (
        f"data.separator=';' leaves {tmp_path / 'houses.csv'} one column; "
        "its lines are split by ',': leave data.separator out"
    )


def test_text_that_is_not_in_the_encoding_given(refusal, tmp_path):
    assert refusal("a,b\n1,é\n", encoding="ascii") == (
        f"data.encoding=ascii: {tmp_path / 'houses.csv'} is not written in it "
        "(line 2: ordinal not in range(128)); null guesses it"
    )


def test_a_spreadsheet_without_its_extra(refusal, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    assert refusal(b"PK", "a.xlsx").endswith("a.xlsx needs an extra: pip install 'descent-lab[excel]'")


def test_lines_that_no_separator_splits_are_one_column_and_it_is_told(read):
    lines = "Shall I compare thee to a summer's day?\nThou art more lovely:\nRough winds do shake the buds of May,\n"
    table = read(lines, "a.txt")
    assert table.frame.width == 1
    assert table.told == ("read with one column, for no separator splits its lines",)


def test_the_sample_is_not_all_that_decides(read, monkeypatch):
    # types of the top, the middle and the end; what stands between them is found when it does not fit
    monkeypatch.setattr(reading, "SAMPLE", 1 << 10)
    rows = ["1,2,3"] * 4000
    rows[700], rows[2600], rows[3999] = "x,2,3", ",2.5,3", "1,2,3.5"
    frame = read("a,b,c\n" + "\n".join(rows) + "\n").frame
    assert frame.schema == {"a": pl.String, "b": pl.Float64, "c": pl.Float64}
    assert frame.rows()[700] == ("x", 2.0, 3.0)
    assert frame.rows()[2600] == (None, 2.5, 3.0)
    assert frame["c"].sum() == 12000.5


def test_ten_thousand_columns(read):
    names = [f"x{n}" for n in range(10_000)]
    frame = read(f"{','.join(names)}\n{','.join(['1.5'] * 10_000)}\n").frame
    assert (frame.columns, frame.row(0)) == (names, (1.5,) * 10_000)


def test_a_link_to_itself_and_one_to_nothing(tmp_path):
    for name, target in (("loop.csv", "loop.csv"), ("gone.csv", "away.csv")):
        os.symlink(target, tmp_path / name)
    with pytest.raises(LabError, match=r"loop\.csv: it is a link that leads to itself$"):
        table_file(tmp_path / "loop.csv")
    with pytest.raises(LabError, match=r"gone\.csv: it is a link to away\.csv, which is not there$"):
        table_file(tmp_path / "gone.csv")


@pytest.mark.parametrize("name", ["folder", "folder.csv"])
def test_a_directory(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(LabError, match=r"is a directory: name a file in it \(a \.csv, \.tsv, "):
        table_file(tmp_path / name)


@pytest.mark.parametrize("name", ["houses", "houses.pdf", "houses.csv.bz2"])
def test_another_kind_of_file(refusal, name):
    assert refusal(text(HOUSES), name) == (
        "must be a .csv, .tsv, .txt, .data, .parquet, .feather, .xlsx, .xls, .ods, .json or .jsonl file, "
        "or one as .gz or .zip"
    )
