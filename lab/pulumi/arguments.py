"""The command line: commands, their flags, and PULUMI_OPTION_<FLAG> for each of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.pulumi.errors import UsageError

TRUE = frozenset({"true", "1", "t", "yes", "y"})


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Attributes:
        name: without dashes.
        short: one letter, or empty.
        takes: `bool`, `text`, or `list` (may be given several times).
        help: one line.
    """

    name: str
    short: str = ""
    takes: str = "bool"
    help: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        words: how it is called: ("stack", "ls").
        handler: `module:function` under lab.pulumi.commands; empty for a bare group.
        help: one line.
        flags: its own flags.
        arguments: names of its positional arguments, for help.
        at_most: how many positional arguments it takes.
    """

    words: tuple[str, ...]
    handler: str
    help: str
    flags: tuple[Flag, ...] = ()
    arguments: str = ""
    at_most: int = 0


@dataclass(frozen=True, slots=True)
class Invocation:
    """A parsed command line.

    Attributes:
        command: what was called.
        positionals: its arguments.
        values: every flag given, with its values.
    """

    command: Command
    positionals: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """A flag's last value."""
        return self.values[name][-1] if self.values.get(name) else default

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a flag, comma-separated ones apart."""
        return tuple(part for value in self.values.get(name, ()) for part in value.split(",") if part)

    def on(self, name: str) -> bool:
        """Whether a boolean flag is set."""
        return self.text(name).lower() in TRUE

    def number(self, name: str, default: int) -> int:
        """A flag's value as a whole number.

        Raises:
            UsageError: it is none.
        """
        text = self.text(name, str(default))
        if not text.lstrip("-").isdigit():
            raise UsageError(f'invalid argument "{text}" for "--{name}" flag: not a number')
        return int(text)

    def argument(self, index: int, name: str) -> str:
        """A positional argument.

        Raises:
            UsageError: it is missing.
        """
        if index >= len(self.positionals):
            raise UsageError(f"missing required argument <{name}>; see `pulumi {' '.join(self.command.words)} --help`")
        return self.positionals[index]


def known_flags(
    words: tuple[str, ...], commands: Mapping[tuple[str, ...], Command], shared: Sequence[Flag]
) -> list[Flag]:
    """The flags of a command, of the groups it is in, and of all commands."""
    flags = list(shared)
    for length in range(len(words) + 1):
        command = commands.get(words[:length])
        flags += command.flags if command else ()
    return flags


class _Parser:
    """One pass over the words of a command line."""

    def __init__(self, commands: Mapping[tuple[str, ...], Command], shared: Sequence[Flag]) -> None:
        self._commands = commands
        self._shared = shared
        self._words: tuple[str, ...] = ()
        self._positionals: list[str] = []
        self._values: dict[str, list[str]] = {}

    def parse(self, argv: Sequence[str]) -> Invocation:
        rest = list(argv)
        while rest:
            word = rest.pop(0)
            if word == "--":
                self._positionals += rest
                break
            if word.startswith("-") and word != "-":
                self._flag(word, rest)
            elif not self._positionals and (*self._words, word) in self._commands:
                self._words = (*self._words, word)
            else:
                self._positionals.append(word)
        return self._result()

    def _known(self) -> dict[str, Flag]:
        flags = known_flags(self._words, self._commands, self._shared)
        return {f"--{flag.name}": flag for flag in flags} | {f"-{flag.short}": flag for flag in flags if flag.short}

    def _flag(self, word: str, rest: list[str]) -> None:
        name, equals, value = word.partition("=")
        if not word.startswith("--") and len(name) > 2:
            name, equals, value = word[:2], "=", word[2:].removeprefix("=")
        flag = self._known().get(name)
        if flag is None:
            raise UsageError(f"unknown flag: {name}")
        if flag.takes == "bool":
            value = value if equals else "true"
        elif not equals:
            if not rest:
                raise UsageError(f"flag needs an argument: {name}")
            value = rest.pop(0)
        self._values.setdefault(flag.name, []).append(value)

    def _result(self) -> Invocation:
        command = self._commands.get(self._words)
        if command is None:
            raise UsageError("no such command")
        asked_for_help = "help" in self._values
        if not asked_for_help and len(self._positionals) > command.at_most:
            extra = self._positionals[command.at_most]
            raise UsageError(f'unknown command or argument "{extra}" for "pulumi {" ".join(self._words)}"'.rstrip())
        return Invocation(
            command, tuple(self._positionals), {name: tuple(values) for name, values in self._values.items()}
        )


def parse(
    argv: Sequence[str],
    env: Mapping[str, str],
    commands: Mapping[tuple[str, ...], Command],
    shared: Sequence[Flag],
) -> Invocation:
    """Read a command line.

    Args:
        argv: the words after `pulumi`.
        env: PULUMI_OPTION_<FLAG> stands in for a flag that is not given.
        commands: every command by its words; `()` is `pulumi` alone.
        shared: flags that every command takes.

    Raises:
        UsageError: it cannot be understood.
    """
    invocation = _Parser(commands, shared).parse(argv)
    values = dict(invocation.values)
    for flag in known_flags(invocation.command.words, commands, shared):
        option = env.get(f"PULUMI_OPTION_{flag.name.upper().replace('-', '_')}")
        if option and flag.name not in values:
            values[flag.name] = tuple(option.split(",")) if flag.takes == "list" else (option,)
    return Invocation(invocation.command, invocation.positionals, values)


def render_help(command: Command, commands: Mapping[tuple[str, ...], Command], shared: Sequence[Flag]) -> str:
    """A command's help text."""
    below = [c for c in commands.values() if len(c.words) == len(command.words) + 1 and _under(c, command)]
    lines = [command.help, "", "Usage:", f"  pulumi {' '.join((*command.words, command.arguments))}".rstrip()]
    if below:
        lines += ["", "Commands:", *_table((c.words[-1], c.help) for c in below)]
    lines += ["", "Flags:", *_table((_spelled(f), f.help) for f in known_flags(command.words, commands, shared))]
    return "\n".join(lines)


def _under(command: Command, group: Command) -> bool:
    return command.words[: len(group.words)] == group.words


def _spelled(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else "    "
    return f"{short}--{flag.name}" + ("" if flag.takes == "bool" else " string")


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    return [f"  {name:<{width}}  {text}".rstrip() for name, text in listed]
