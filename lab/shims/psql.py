"""psql of a lab machine: runs SQL on the SQLite file behind an RDS endpoint, with psql's options and exit codes.

Exit codes are psql's: 0; 1 when a command given with ``-c`` failed or an option is wrong; 2 when the server cannot be
reached or refuses the password; 3 when a script (``-f`` or standard input) failed and ON_ERROR_STOP is set.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from lab.data import history
from lab.shims.line import Refused, ask

FAILED, UNREACHABLE, STOPPED = 1, 2, 3
BUSY = 20.0
OFF = frozenset({"", "off", "0", "false", "no"})


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Do what psql would; return its exit code."""
    options = _parser().parse_args(arguments)
    where = _connection(options, environment)
    try:
        found = Path(ask("POST", "/database", {key: where[key] for key in ("host", "user", "password")})["path"])
    except (Refused, OSError) as error:
        sys.stderr.write(
            f'psql: error: connection to server at "{where["host"]}", port {where["port"]} failed: {error}\n'
        )
        return UNREACHABLE
    try:
        with closing(sqlite3.connect(found, timeout=BUSY, isolation_level=None)) as db:
            return _run(db, options)
    finally:
        history.install(found)  # a table made here has a history as well


def _run(db: sqlite3.Connection, options: argparse.Namespace) -> int:
    stop = dict(pair.partition("=")[::2] for pair in options.variables).get("ON_ERROR_STOP", "").lower() not in OFF
    if options.commands:
        code = 0
        for command in options.commands:
            code = 0 if _send(db, command, options) else FAILED
            if code and stop:
                break
        return code
    text = Path(options.file).read_text() if options.file and options.file != "-" else sys.stdin.read()
    for statement in statements(text):
        if not _send(db, statement, options) and stop:
            return STOPPED
    return 0


def _send(db: sqlite3.Connection, text: str, options: argparse.Namespace) -> bool:
    """Run one or more statements and print their rows; say whether they worked."""
    try:
        for statement in statements(text):
            cursor = db.execute(statement)
            if cursor.description is not None:
                sys.stdout.write(_table([part[0] for part in cursor.description], cursor.fetchall(), options))
    except sqlite3.Error as error:
        if db.in_transaction:
            db.rollback()
        sys.stderr.write(f"ERROR:  {error}\n")
        return False
    return True


def statements(text: str) -> Iterator[str]:
    """Split SQL at the semicolons that end statements."""
    part = ""
    for piece in text.split(";"):
        part += piece + ";"
        if sqlite3.complete_statement(part):
            if part.strip(" \t\r\n;"):
                yield part.strip()
            part = ""
    if part.strip(" \t\r\n;"):
        yield part.strip()


def _table(names: list[str], rows: list[tuple[Any, ...]], options: argparse.Namespace) -> str:
    lines = [[_word(value) for value in row] for row in rows]
    count = "" if options.tuples else f"({len(rows)} row{'' if len(rows) == 1 else 's'})\n"
    if options.unaligned:
        head = [] if options.tuples else [names]
        return "".join(options.separator.join(line) + "\n" for line in [*head, *lines]) + count
    widths = [max(len(line[at]) for line in [names, *lines]) for at in range(len(names))]
    body = [" " + " | ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) for line in lines]
    if not options.tuples:
        head_line = " " + " | ".join(name.center(width) for name, width in zip(names, widths, strict=True))
        body = [head_line, "+".join("-" * (width + 2) for width in widths), *body]
    return "".join(f"{line.rstrip()}\n" for line in body) + count + "\n"


def _word(value: Any) -> str:
    if value is None:
        return ""
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)


def _connection(options: argparse.Namespace, environment: Mapping[str, str]) -> dict[str, str]:
    """Return host, port, user and password, the connection string first, as libpq looks for them."""
    base = {
        "host": environment.get("PGHOST", "localhost"),
        "port": environment.get("PGPORT", "5432"),
        "user": environment.get("PGUSER", "bitbucket"),
        "password": environment.get("PGPASSWORD", ""),
    }
    flags = {"host": options.host, "port": options.port, "user": options.user}
    return base | {key: value for key, value in flags.items() if value} | _parts(options.database or options.name or "")


def _parts(text: str) -> dict[str, str]:
    """Read a connection string: ``key=value`` words or a URI; anything else is the name of a database."""
    if text.startswith(("postgresql://", "postgres://")):
        url = urlsplit(text)
        found = {"host": url.hostname, "port": str(url.port or ""), "user": unquote(url.username or "")}
        found |= {"password": unquote(url.password or ""), **dict(parse_qsl(url.query))}
        return {key: value for key, value in found.items() if value}
    pairs = [word.partition("=") for word in text.split()]
    return {key: value.strip("'") for key, mark, value in pairs if mark}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("psql", add_help=False, allow_abbrev=False, exit_on_error=True)
    parser.add_argument("name", nargs="?")
    parser.add_argument("user_name", nargs="?")
    parser.add_argument("-d", "--dbname", dest="database")
    parser.add_argument("-h", "--host")
    parser.add_argument("-p", "--port")
    parser.add_argument("-U", "--username", dest="user")
    parser.add_argument("-c", "--command", dest="commands", action="append", default=[])
    parser.add_argument("-f", "--file")
    parser.add_argument("-F", "--field-separator", dest="separator", default="|")
    parser.add_argument("-v", "--set", "--variable", dest="variables", action="append", default=[])
    parser.add_argument("-A", "--no-align", dest="unaligned", action="store_true")
    parser.add_argument("-t", "--tuples-only", dest="tuples", action="store_true")
    for flags in (("-X", "--no-psqlrc"), ("-q", "--quiet"), ("-w", "--no-password")):
        parser.add_argument(*flags, action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
