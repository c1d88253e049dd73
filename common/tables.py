"""
Tables people hand us, CSV or XLSX, read row by row in constant memory; and the file of refusals.

Every cell becomes text, as a CSV would have it, so that one set of rules reads both kinds. What
cannot honestly be turned into text (a formula, a number Excel has rounded) becomes a fault of its
cell, and only a row that needs the cell is refused for it.

A CSV is looked through before its first row is given out: a file in another encoding or with a
quote left open is refused whole, not half imported.
"""

import csv
import hashlib
import io
import os
import warnings
import zipfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import openpyxl
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError, Invalid

DELIMITERS = ",;\t"
# A longer line is no row of a table: most likely a quote was left open.
LINE_MAX = 1_000_000
# What a workbook may unpack to, all in all and of texts, which are held in memory.
XLSX_BYTES_MAX = 4 * 1024**3
XLSX_TEXTS_BYTES_MAX = 256 * 1024**2
# Excel keeps 15 digits of a number and forgets the others.
DIGITS_KEPT = 15

ZIP_MAGIC = b"PK\x03\x04"
OLD_EXCEL_MAGIC = b"\xd0\xcf\x11\xe0"
UTF16_MAGIC = (b"\xff\xfe", b"\xfe\xff")


class UnreadableTable(Invalid):
    code = "unreadable_table"
    message = _("%(file)s: %(problem)s")


class UnknownColumns(Invalid):
    code = "unknown_columns"
    message = _("%(file)s has no column %(missing)s. It has: %(columns)s.")


class AmbiguousColumn(Invalid):
    code = "ambiguous_column"
    message = _("%(file)s has more than one column “%(column)s”.")


class RaggedRow(Invalid):
    code = "ragged_row"
    message = _("The row has %(cells)s cells, the header %(columns)s.")


class Formula(Invalid):
    code = "formula"
    message = _("Formulas are not evaluated: paste the cells as values.")


class ImpreciseNumber(Invalid):
    code = "imprecise_number"
    message = _("Excel rounds numbers of more than 15 digits: store them as text.")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row as text. `number` counts as a spreadsheet does: the header is row 1.

    `faults` holds, by position, why a cell is not to be trusted.
    """

    number: int
    cells: tuple[str, ...]
    faults: dict[int, DomainError] = field(default_factory=dict)


class Table:
    """A file with a header row. `total` is the number of rows below it, if known beforehand."""

    path: Path
    header: tuple[str, ...]
    total: int | None

    def rows(self) -> Iterator[Row]:
        """Read the rows below the header, blank ones left out, from the beginning each time."""
        raise NotImplementedError

    def digest(self) -> str:
        """SHA-256 of the file and of how it is read."""
        raise NotImplementedError

    def positions(self, columns: Iterable[str]) -> dict[str, int]:
        """
        Find columns by name.

        :raises UnknownColumns: if one is missing; the refusal lists those that are there
        :raises AmbiguousColumn: if a name occurs more than once
        """
        wanted = list(columns)
        missing = [name for name in wanted if name not in self.header]
        if missing:
            raise UnknownColumns(
                file=self.path.name,
                missing=", ".join(missing),
                columns=", ".join(name for name in self.header if name),
            )
        for name in wanted:
            if self.header.count(name) > 1:
                raise AmbiguousColumn(file=self.path.name, column=name)
        return {name: self.header.index(name) for name in wanted}


def read(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
) -> Table:
    """
    Open a CSV or XLSX file. What it is, its first bytes tell.

    :param encoding: of a CSV; UTF-8, with or without a mark in front, unless told
    :param delimiter: of a CSV; of comma, semicolon and tab the one that cuts the header finest
    :param sheet: of a workbook; its first one unless told
    :raises UnreadableTable: if it is neither, damaged, or in another encoding
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    if magic == OLD_EXCEL_MAGIC:
        raise _unreadable(path, _now("this is Excel's old format; save it as .xlsx or CSV."))
    if magic == ZIP_MAGIC:
        return Workbook(path, sheet=sheet)
    if path.suffix.lower() in {".xlsx", ".xlsm"}:
        raise _unreadable(path, _now("this is not an Excel workbook, whatever its name says."))
    return CsvFile(path, encoding=encoding, delimiter=delimiter)


# What files of tables are written in here; others are for whoever knows it to say.
ENCODINGS = ("utf-8", "gb18030")


def encoding_of(path: Path) -> str:
    """
    Find out in which of ENCODINGS a CSV is, by reading it to the end; UTF-16 by its mark.

    What is both is UTF-8: hardly a text of Chinese characters in GB 18030 happens to be that.

    :returns: empty for what is no text
    :raises UnreadableTable: if it is in none of them
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic.startswith(UTF16_MAGIC):
            return "utf-16"
        if magic in (ZIP_MAGIC, OLD_EXCEL_MAGIC):
            return ""
        return next(each for each in ENCODINGS if _decodes(path, each))
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except StopIteration:
        raise _unreadable(path, _now("the file is neither UTF-8 nor GB 18030.")) from None


def _decodes(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as file:
            while file.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(path: Path, problem: str) -> UnreadableTable:
    return UnreadableTable(file=path.name, problem=problem)


# --- CSV ------------------------------------------------------------------------------------------


class CsvFile(Table):
    def __init__(self, path: Path, *, encoding: str | None, delimiter: str | None) -> None:
        self.path = path
        # The mark some programs put in front of UTF-8 belongs to no cell.
        given = (encoding or "utf-8").lower()
        self._encoding = "utf-8-sig" if given.replace("_", "-") in {"utf-8", "utf8"} else given
        self._delimiter = delimiter or self._sniffed()
        records = self._records()
        self.header = tuple(name.strip() for name in next(records, (0, []))[1])
        if not any(self.header):
            raise _unreadable(path, _now("the file is empty, or its first row is."))
        # Reading to the end finds what is broken before anything is written.
        self.total = sum(1 for _record in records)

    def rows(self) -> Iterator[Row]:
        records = self._records()
        next(records, None)
        for number, cells in records:
            if not any(cells):
                continue
            yield Row(number, tuple(cells), self._ragged(cells))

    def digest(self) -> str:
        with self.path.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256")
        whole.update(f"\0{self._encoding}\0{self._delimiter}".encode())
        return whole.hexdigest()

    def _ragged(self, cells: Sequence[str]) -> dict[int, DomainError]:
        """A row cut off, or with more cells than the header: none of its cells can be trusted."""
        columns = len(self.header)
        if len(cells) >= columns and not any(cells[columns:]):
            return {}
        fault = RaggedRow(cells=len(cells), columns=columns)
        return dict.fromkeys(range(columns), fault)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        number = 0
        try:
            with self._open() as file:
                reader = csv.reader(
                    self._lines(file, self.path), delimiter=self._delimiter, strict=True
                )
                for number, cells in enumerate(reader, start=1):
                    yield number, cells
        except csv.Error as error:
            raise _unreadable(
                self.path,
                _now("row %(row)s cannot be read (%(error)s). Was a quote left open?")
                % {"row": number + 1, "error": error},
            ) from error

    def _sniffed(self) -> str:
        with self._open() as file:
            first = next(self._lines(file, self.path), "")
        return max(DELIMITERS, key=lambda each: len(next(csv.reader([first], delimiter=each), [])))

    def _open(self) -> io.TextIOWrapper:
        try:
            return self.path.open(encoding=self._encoding, newline="")
        except LookupError as error:
            raise _unreadable(self.path, str(error)) from error

    def _lines(self, file: io.TextIOWrapper, path: Path) -> Iterator[str]:
        try:
            while line := file.readline(LINE_MAX):
                if len(line) == LINE_MAX:
                    raise csv.Error(f"line longer than {LINE_MAX:,} characters")
                yield line
        except UnicodeError as error:
            raise self._wrong_encoding(file, error) from error

    def _wrong_encoding(self, file: io.TextIOWrapper, error: UnicodeError) -> UnreadableTable:
        if not isinstance(error, UnicodeDecodeError):  # such as UTF-16 without its mark
            return _unreadable(self.path, f"{self._encoding}: {error}")
        # What the decoder was given ends where the buffer stands.
        given = file.buffer.tell()  # type: ignore[attr-defined]  # typeshed's buffer lacks it
        position = given - len(error.object) + error.start
        with self.path.open("rb") as raw:
            lines = 1
            rest = position
            while rest > 0 and (block := raw.read(min(rest, 1 << 20))):
                lines += block.count(b"\n")
                rest -= len(block)
            raw.seek(0)
            likely = "utf-16" if raw.read(2) in UTF16_MAGIC else "gb18030"
        return _unreadable(
            self.path,
            _now(
                "line %(line)s, byte %(byte)s is not %(encoding)s. If the file comes from a "
                "Chinese Windows program, say --encoding %(likely)s."
            )
            % {
                "line": lines,
                "byte": position,
                "encoding": self._encoding.removesuffix("-sig").upper(),
                "likely": likely,
            },
        )


# --- XLSX -----------------------------------------------------------------------------------------


class Workbook(Table):
    """One sheet of an XLSX workbook, streamed. Its shared texts alone are held in memory."""

    def __init__(self, path: Path, *, sheet: str | None) -> None:
        self.path = path
        self._sheet = sheet
        self._refuse_bombs()
        with closing(self._records()) as records:
            header = [_header_text(cell) for cell in next(records, (1, ()))[1]]
        while header and not header[-1]:
            header.pop()
        self.header = tuple(header)
        if not header:
            raise _unreadable(path, _now("the sheet is empty, or its first row is."))

    def rows(self) -> Iterator[Row]:
        records = self._records()
        next(records, None)
        columns = len(self.header)
        for number, cells in records:
            texts: list[str] = [""] * columns
            faults: dict[int, DomainError] = {}
            for position, cell in enumerate(cells):
                if cell.value is None:
                    continue
                if position >= columns:
                    fault = RaggedRow(cells=position + 1, columns=columns)
                    faults = dict.fromkeys(range(columns), fault)
                    break
                text, cell_fault = _text(cell)
                texts[position] = text
                if cell_fault is not None:
                    faults[position] = cell_fault
            if any(texts) or faults:
                yield Row(number, tuple(texts), faults)

    def digest(self) -> str:
        with self.path.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256")
        whole.update(f"\0{self._sheet}".encode())
        return whole.hexdigest()

    def _records(self) -> Generator[tuple[int, Sequence[Any]]]:
        with warnings.catch_warnings():
            # Styles and validations openpyxl cannot keep are nothing to us.
            warnings.simplefilter("ignore")
            try:
                book = openpyxl.load_workbook(self.path, read_only=True)
            except Exception as error:  # whatever a damaged file makes the parser raise
                raise self._damaged(error) from error
        try:
            page = self._page(book)
            # The sheet's own claim of its size serves the progress bar. It may be wrong: forget it.
            self.total = max(page.max_row - 1, 0) if page.max_row else None
            page.reset_dimensions()
            rows = enumerate(page.iter_rows(), start=1)
            while True:
                try:
                    record = next(rows, None)
                except Exception as error:  # as above
                    raise self._damaged(error) from error
                if record is None:
                    return
                yield record
        finally:
            book.close()

    def _page(self, book: Any) -> Any:
        if self._sheet is None:
            if book.worksheets:
                return book.worksheets[0]
            raise _unreadable(self.path, _now("the workbook has no sheet."))
        if self._sheet not in book.sheetnames:
            raise _unreadable(
                self.path,
                _now("there is no sheet “%(sheet)s”. There are: %(sheets)s.")
                % {"sheet": self._sheet, "sheets": ", ".join(book.sheetnames)},
            )
        return book[self._sheet]

    def _refuse_bombs(self) -> None:
        try:
            with zipfile.ZipFile(self.path) as archive:
                sizes = {each.filename: each.file_size for each in archive.infolist()}
        except (zipfile.BadZipFile, OSError) as error:
            raise self._damaged(error) from error
        texts = sizes.get("xl/sharedStrings.xml", 0)
        if sum(sizes.values()) > XLSX_BYTES_MAX or texts > XLSX_TEXTS_BYTES_MAX:
            raise _unreadable(self.path, _now("the workbook is too large; save the sheet as CSV."))

    def _damaged(self, error: Exception) -> UnreadableTable:
        return _unreadable(
            self.path, _now("the workbook is damaged (%(error)s).") % {"error": repr(error)[:200]}
        )


def _header_text(cell: Any) -> str:
    return "" if cell.value is None else str(cell.value).strip()


def _text(cell: Any) -> tuple[str, DomainError | None]:
    value = cell.value
    if cell.data_type == "f":
        return str(value), Formula()
    if isinstance(value, str):
        return value, None
    if isinstance(value, bool):
        return str(value).upper(), None
    if isinstance(value, datetime | date):
        return value.isoformat(), None
    if isinstance(value, int | float):
        return _number_text(value)
    return str(value), None


def _number_text(value: float) -> tuple[str, DomainError | None]:
    """12345.0 → 12345; 29.33 → 29.33, not the binary fraction behind it."""
    exact = Decimal(repr(value))
    if not exact.is_finite():
        return str(value), None
    text = f"{exact:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text, ImpreciseNumber() if abs(exact) >= 10**DIGITS_KEPT else None


# --- Refusals -------------------------------------------------------------------------------------

ERROR_COLUMNS = ("row", "code", "message")
# A spreadsheet takes what begins so for a formula and runs it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_line(cells: Iterable[str]) -> str:
    """One line of a CSV that is streamed, harmless to a spreadsheet."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow([harmless(cell) for cell in cells])
    return text.getvalue()


class ErrorFile:
    """
    The refused rows as a CSV: row number, code, message and the original cells.

    It is written before the transaction that refused them commits, so that no refusal is lost;
    what was written for a transaction that did not commit is cut off again.
    """

    def __init__(self, path: Path, *, header: Sequence[str], rows_done: int) -> None:
        """
        :param rows_done: keep what an earlier start wrote up to this row; 0: begin a new file
        :raises UnreadableTable: if there is such a file but it is none of ours
        """
        self._header = [*ERROR_COLUMNS, *map(harmless, header)]
        kept = self._kept(path, rows_done) if rows_done and path.exists() else iter([])
        fresh = path.with_name(f"{path.name}.new")
        self._file = fresh.open("w+b")
        self._append(("\ufeff" + self._header[0], *self._header[1:]))
        for record in kept:
            self._append(record)
        self.confirm()
        fresh.replace(path)

    def write(self, refusals: Iterable[tuple[Row, DomainError]]) -> None:
        """Write refusals behind what is confirmed."""
        self._file.seek(self._confirmed)
        self._file.truncate()
        for row, refusal in refusals:
            self._append((str(row.number), refusal.code, refusal.sentence, *row.cells))
        self._file.flush()
        os.fsync(self._file.fileno())

    def confirm(self) -> None:
        """What was written stays."""
        self._file.flush()
        self._confirmed = self._file.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()

    def _append(self, cells: Iterable[str]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerow([harmless(cell).replace("\0", "␀") for cell in cells])
        self._file.write(text.getvalue().encode("utf-8", errors="replace"))

    def _kept(self, path: Path, rows_done: int) -> Iterator[list[str]]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = csv.reader(file)
            try:
                if next(records, None) != self._header:
                    raise _unreadable(path, _now("this is not the error file of this import."))
                for record in records:
                    # The last line may have been cut off by a crash: its row is not done yet.
                    if record and record[0].isdecimal() and int(record[0]) <= rows_done + 1:
                        yield record
            except (UnicodeError, csv.Error) as error:
                problem = _now("this is not the error file of this import.")
                raise _unreadable(path, problem) from error
