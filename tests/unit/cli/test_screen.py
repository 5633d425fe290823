"""What entities print reaches the terminal as text only."""

import pytest

from cli.screen import harmless


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("progress 1\rprogress 2\r\n", "progress 1\nprogress 2\n"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]52;c;Y2xpcA==\x1b\\text", "text"),
        ("\x1b[2J\x1b[H\x1b[?25ltext", "text"),
        ("bell\x07 null\x00 \x9b31m", "bell null 31m"),
        ("ünïcödé ✓", "ünïcödé ✓"),
    ],
)
def test_control_is_removed(text: str, expected: str) -> None:
    """Titles, the clipboard, cursor movements and control characters do not pass."""
    assert harmless(text, colour=True) == expected


def test_colours() -> None:
    """Colours pass where the terminal has colours."""
    text = "\x1b[1;31mred\x1b[0m"

    assert harmless(text, colour=True) == text
    assert harmless(text, colour=False) == "red"
