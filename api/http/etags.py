"""Entity tags (RFC 9110, section 8.8.3): whether a client has already what it asks for."""

import re
from collections.abc import Sequence
from hashlib import sha256

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def tag_of(*parts: object) -> str:
    """A strong tag, of all that a representation follows from."""
    return f'"{sha256(repr(parts).encode()).hexdigest()[:32]}"'


def named(tag: str, if_none_match: Sequence[str]) -> bool:
    """Whether the header's values name `tag`, by weak comparison, or are `*`."""
    sent = ", ".join(if_none_match)
    return sent.strip() == "*" or tag in _TAG.findall(sent)
