"""Drawings as SVG text: whatever is not ours is escaped, and made harmless, on its way in.

No style attributes and no references: the page's Content-Security-Policy forbids the first, and the second could meet
the same name twice.
"""

from collections.abc import Iterable
from textwrap import wrap

from markupsafe import Markup, escape

from rpcdiag.report.names import clean

CHAR = 7.4  # width of a character at 12.5 px, on average, in the widest of the usual fonts
LINE = 16  # from one line of text to the next


def element(name: str, *inside: Markup, **attributes: str | float | None) -> Markup:
    """`element("g", ..., class_="row", data_f="12")`"""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(clean(_value(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>{''.join(inside)}</{name}>")


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def words(text: str) -> Markup:
    """Text, and nothing but text."""
    return escape(clean(text))


def joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def text(x: float, y: float, said: str, style: str, anchor: str = "start") -> Markup:
    return element("text", words(said), x=x, y=y, class_=style, text_anchor=None if anchor == "start" else anchor)


def lines(said: str, room: float, most: int = 4) -> list[str]:
    """The text in lines that fit; what is beyond `most` of them is left out, and that is shown."""
    found = wrap(clean(said), max(12, int(room / CHAR)), break_on_hyphens=False) or [""]
    if len(found) > most:
        found = [*found[: most - 1], found[most - 1][: max(1, int(room / CHAR) - 2)].rstrip() + " …"]
    return found


def cut(said: str, room: float) -> str:
    """As much of the text as fits into one line."""
    most = max(12, int(room / CHAR))
    said = clean(said)
    return said if len(said) <= most else said[: most - 1].rstrip() + "…"


def packet(number: int, capture: int, x: float, y: float, anchor: str = "start") -> Markup:
    """The number of a packet, to be clicked or chosen with the keyboard: `y` is its base line."""
    shown = f"#{number}"
    width = len(shown) * 7.6 + 8
    left = x - width + 4 if anchor == "end" else x - 4
    return element(
        "g",
        element("rect", x=left, y=y - 13, width=width, height=18, rx=4),
        text(left + 4, y, shown, "mono"),
        class_="pk",
        role="button",
        tabindex=0,
        data_f=str(number),
        data_c=str(capture),
        aria_label=f"packet {number}: show and copy its display filter",
    )


def picture(name: str, width: float, height: float, title: str, told: str, body: Markup, style: str) -> Markup:
    """The drawing as a whole; `name` makes the ids of its title and description its own."""
    return element(
        "svg",
        element("title", words(title), id=f"{name}-t"),
        element("desc", words(told), id=f"{name}-d"),
        body,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        class_=style,
        role="group",
        aria_labelledby=f"{name}-t {name}-d",
        focusable="false",
    )
