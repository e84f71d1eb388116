"""What a client would rather have, by its Accept header (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_WEIGHT = re.compile(r";\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)


class _Range(NamedTuple):
    """`exact` is 2 for a media type, 1 for type/*, 0 for */*."""

    exact: int
    media: str
    quality: float

    def covers(self, media_type: str) -> bool:
        return self.exact == 0 or self.media in (media_type, media_type.partition("/")[0] + "/")


_NONE = _Range(0, "", 0.0)


def preferred(accept: str, offered: Sequence[str]) -> str:
    """That of the `offered` media types which `accept` gives the highest quality.

    Of equals the one that is named more exactly, then the first. The first as well if none is
    acceptable: section 12.4.1 leaves that to the server. Parameters other than q are not looked at.
    """
    ranges = [_range(part) for part in accept.lower().split(",")]

    def fit(media_type: str) -> tuple[float, int]:
        # The most exact range decides, also where it says no.
        best = max((each for each in ranges if each.covers(media_type)), default=_NONE)
        return best.quality, best.exact if best.quality else 0

    return max(offered, key=fit)


def _range(part: str) -> _Range:
    media = part.partition(";")[0].strip()
    weight = _WEIGHT.search(part)
    exact = 0 if media == "*/*" else 1 if media.endswith("/*") else 2
    return _Range(exact, media.removesuffix("*"), float(weight[1]) if weight else 1.0)
