"""The `farebox` command's entry: starts fast, and prints one line when something fails."""

from __future__ import annotations

import sys

from farebox import __version__

_VERSION = (["--version"], ["-v"], ["-V"], ["version"])


def main() -> int:
    """Run the command line and return the exit status."""
    arguments = sys.argv[1:]
    if arguments in _VERSION:  # scripts and shell prompts ask for it: printed before anything else is loaded
        print(f"farebox {__version__}")
        return 0
    if arguments[:1] == ["statusline"]:  # so does a status line, every second
        from farebox import status_line

        home = status_line.home_of(arguments[1:])
        if home is not None:
            status_line.show_and_end(home)
    from farebox.cli.exits import guarded

    return guarded(lambda: _dispatch(arguments))


def _dispatch(arguments: list[str]) -> int:
    from farebox.cli.app import app, as_help_flag, check_command, with_command_separator

    arguments = as_help_flag(arguments)
    check_command(arguments)
    status = app(
        with_command_separator(arguments),
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    sys.exit(main())
