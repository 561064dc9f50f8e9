"""Who may run which command: the table in docs/operations/operators.md, which the test proves and the documents show."""

import pathlib
import re
import subprocess

OPERATORS = pathlib.Path(__file__).parents[2] / "docs/operations/operators.md"

# As the table's columns call them: their names in the template and in the stack's outputs.
ROLES = {
    "support": "SupportRole",
    "contracts": "ContractsRole",
    "publishing": "PublishingRole",
    "keys": "KeysRole",
}

# What calls nothing of a stack, or is an admin's to run.
OF_NO_ROLE = {"dev", "doctor"}


def table():
    """Command, with the option that the row is about, to the roles that may run it."""
    header = f"| command | {' | '.join(ROLES)} |"
    lines = iter(OPERATORS.read_text(encoding="utf-8").splitlines())
    assert header in lines, f"{OPERATORS} has no table {header}"
    next(lines)
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        commands, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == len(ROLES) and set(cells) <= {"✓", ""}, line
        for command in re.findall(r"`([^`]+)`", commands):
            assert command not in found, f"{command} is there twice"
            found[command] = [role for role, cell in zip(ROLES, cells) if cell]
    return found


def row_of(arguments, rows):
    """The row that says who may run this: the longest of those that fit."""
    fitting = [row for row in rows if fits(row.split(), list(map(str, arguments)))]
    assert fitting, f"no row for {arguments}"
    return max(fitting, key=lambda row: len(row.split()))


def fits(row, arguments):
    words = [word for word in row if not word.startswith("--")]
    options = [word for word in row if word.startswith("--")]
    return arguments[: len(words)] == words and set(options) <= set(arguments)


def commands(tegata, *above):
    """All commands that the command line has, by its own help."""
    shown = subprocess.run([tegata, *above, "--help"], capture_output=True, text=True, check=True).stdout
    listed = re.search(r"^Commands:\n((?:  .*\n|\n(?=  ))+)", shown, re.MULTILINE)
    if not listed:
        return [" ".join(above)]
    names = re.findall(r"^  (\S+)", listed.group(1), re.MULTILINE)
    return [found for name in names if name != "help" for found in commands(tegata, *above, name)]
