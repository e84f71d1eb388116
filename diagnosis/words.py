"""Numbers as they stand in sentences."""

import math


def number(value: float | None) -> str:
    """Three significant digits, plain where that is short; words for what is no number."""
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "infinite"
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e6:
        digits = max(0, 2 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3g}"


def percent(share: float | None) -> str:
    """A share of 1, without decimals where it is far from both ends."""
    if share is None or not math.isfinite(share):
        return "an unknown share"
    return f"{100 * share:.3g} %"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def lowered(sentence: str) -> str:
    """To stand behind a colon: without its full stop, small at the start but for a name."""
    text = sentence.removesuffix(".")
    first = text.split(" ", 1)[0]
    return text if first[1:] != first[1:].lower() else text[:1].lower() + text[1:]


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."
