"""What a comparison measured, and every way to look at it."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from containerlab.errors import CorruptContent, NotFound, of_the_system
from containerlab.experiments.claims.six import CLAIMS
from containerlab.experiments.experiment import Verdict
from containerlab.experiments.frame import from_lines, to_frame, to_lines
from containerlab.experiments.host import Host
from containerlab.experiments.pictures.gallery import picture_of_all, picture_of_claim
from containerlab.experiments.row import Row
from containerlab.experiments.verdict_table import Judged, VerdictTable
from containerlab.linux.files import write_atomically
from containerlab.views import html
from containerlab.views.picture import Picture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison"]

_ROWS, _HOST = "rows.jsonl", "host.json"


@dataclass(frozen=True, repr=False)
class Comparison(html.Shown):
    """The same image as a process, a container and a virtual machine.

        comparison = lab.compare("lab/base", quick=True)
        comparison.table()
        comparison.plot("start")
        comparison.report("report.html")

    host: what machine it was. rows: every measured number, noisy ones too. verdicts: what they say about the
    six claims.
    """

    host: Host
    rows: Sequence[Row]
    verdicts: Sequence[Verdict]

    @property
    def frame(self) -> pd.DataFrame:
        """Return all rows as a tidy pandas frame, one measured number a row."""
        return to_frame(self.rows)

    @property
    def machine(self) -> str:
        """Return where it was measured, and when, in a line."""
        host = self.host
        qemu = next((f"QEMU {version}" for name, version in host.programs.items() if "qemu" in name), "")
        machines = f"machines on {host.accelerator}" if host.accelerator else ""
        return " · ".join(each for each in (host.kernel, host.processor, qemu, machines, host.date) if each)

    def table(self) -> VerdictTable:
        """Return the six claims with measured figures, ratio and verdict."""
        judged = [Judged(_told(each.claim), each) for each in self.verdicts]
        return VerdictTable(judged, self.machine)

    def plot(self, claim: str = "") -> Picture:
        """Draw one claim: start, performance, footprint, recovery, lifecycle or delivery; or all of them.

        Raises: InvalidInput for another word; Unsupported without matplotlib.
        """
        if claim:
            return picture_of_claim(claim, self.rows, self.machine)
        return picture_of_all(self.rows, self._words(), self.machine)

    def _words(self) -> dict[str, str]:
        """Return what is said of each claim as a whole."""
        return {each.claim: each.word for each in reversed(self.verdicts) if not each.tier}

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write all of it into one HTML file that fetches nothing: pictures, verdicts, raw data.

        Raises: Unsupported without matplotlib; LabError when it cannot be written there.
        """
        from containerlab.experiments import report

        chapters = [
            report.Chapter(
                name, _told(name), self.plot(name), [each for each in self.verdicts if each.claim == name]
            )
            for name in CLAIMS
            if any(row.claim == name for row in self.rows)
        ]
        data = {_ROWS: to_lines(self.rows), _HOST: _encoded(self.host)}
        document = report.page(
            "Containers against virtual machines",
            self.machine,
            self.host.facts(),
            self.plot(),
            chapters,
            data,
        )
        return _write(Path(path), document.encode())

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Write the rows, a line of JSON each, and what machine it was; `load` reads them again.

        Raises: LabError when they cannot be written there.
        """
        _write(Path(directory, _HOST), _encoded(self.host))
        return _write(Path(directory, _ROWS), to_lines(self.rows)).parent

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Comparison:
        """Read what `save` wrote, or a report's raw data, and judge it anew.

        Raises: NotFound when there is none; CorruptContent when it is not what was written.
        """
        try:
            host = msgspec.json.decode(_read(directory, _HOST), type=Host)
            rows = from_lines(_read(directory, _ROWS))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"no comparison in {os.fspath(directory)}", "`save` of one writes it") from error
        except (msgspec.DecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise CorruptContent(f"{os.fspath(directory)}: not what `save` wrote: {error}") from error
        except OSError as error:
            raise of_the_system(error, "load") from error
        return cls.of(host, rows)

    @classmethod
    def recorded(cls) -> Comparison:
        """Return a measured run that comes with the package; `host` says where and when it was measured."""
        return cls.load(Path(__file__).with_name("recorded"))

    @classmethod
    def of(cls, host: Host, rows: Sequence[Row]) -> Comparison:
        """Judge what was measured."""
        claims = [claim for claim in CLAIMS.values() if any(row.claim == claim.name for row in rows)]
        judged = [claim.judge([row for row in rows if row.claim == claim.name]) for claim in claims]
        return cls(host, tuple(rows), tuple(verdict for verdicts in judged for verdict in verdicts))

    def to_text(self) -> str:
        return self.table().to_text()

    def to_html(self) -> str:
        return self.table().to_html()

    def to_json(self) -> str:
        """Return host, verdicts and rows as one document."""
        return _encoded(
            {"host": self.host, "verdicts": self.table().to_records(), "rows": self.rows}
        ).decode()

    def __repr__(self) -> str:
        return self.to_text()


def _told(claim: str) -> str:
    """Return number, name and sentence of a claim."""
    return f"{list(CLAIMS).index(claim) + 1} {claim}: {CLAIMS[claim].sentence}"


def _encoded(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(os.fspath(path), content, 0o644)
    except OSError as error:
        raise of_the_system(error, "write") from error
    return path


def _read(directory: str | os.PathLike[str], name: str) -> bytes:
    """Read a file, or what it is packed into, as a report has it. Raises: FileNotFoundError, zlib.error, …"""
    packed = Path(directory, f"{name}.gz")
    return gzip.decompress(packed.read_bytes()) if packed.exists() else Path(directory, name).read_bytes()
