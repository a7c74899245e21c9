"""Text of others, made harmless. Apart from all other words, because every start needs it."""


def clean(text: str) -> str:
    """Text out of a packet or log, made harmless for a terminal: what does not print is written as its escape.

    Control characters, escape sequences, bidirectional marks and lone surrogates do not print.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else f"\\x{ord(one):02x}" if ord(one) < 256 else f"\\u{ord(one):04x}" for one in text
    )
