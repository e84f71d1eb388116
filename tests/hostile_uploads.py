"""Files that are sent as datasets and must be refused, each for a reason of its own.

They are small: what they ask for is large. None needs settings other than the defaults.
"""

import gzip
import io
import pickle
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

STORED, DEFLATED, BZIP2, LZMA, UNKNOWN = 0, 8, 12, 14, 99
ENCRYPTED = 1
# A file that a pickle in the corpus would make, if it were loaded, in the working directory.
CANARY = "plateau-unpickled"


@dataclass(frozen=True)
class Hostile:
    """`label` are the target columns that are named with a csv; `make` gives the bytes."""

    name: str
    media: Literal["npz", "csv"]
    make: Callable[[], bytes]
    label: tuple[str, ...] = ()


def hostile_uploads() -> Iterator[Hostile]:
    for name, make in {**_FILES, **_ARCHIVES, **_HEADERS, **_ARRAYS}.items():
        yield Hostile(name, "npz", make)
    for name, make in _TABLES.items():
        yield Hostile(name, "csv", make, ("label",))
    yield Hostile("no label is named", "csv", good_csv)
    yield Hostile("the label is no column", "csv", good_csv, ("lable",))
    yield Hostile("all columns are labels", "csv", good_csv, ("a", "b", "label"))
    yield Hostile("a label is named twice", "csv", good_csv, ("label", "label"))
    yield Hostile("10^5 labels are named", "csv", good_csv, ("a", "b") * 50_000)
    yield Hostile("an npz with a label", "npz", good_npz, ("y",))


@dataclass(frozen=True)
class Member:
    """An entry of a zip, of which any field can be false. None is what would be true."""

    name: bytes
    data: bytes
    method: int = STORED
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    flags: int = 0
    local_name: bytes | None = None
    offset: int | None = None
    extra: bytes = b""


def zipped(
    members: list[Member],
    *,
    prefix: bytes = b"",
    between: bytes = b"",
    comment: bytes = b"",
    entries: int | None = None,
    disk: int = 0,
) -> bytes:
    """A zip of `members` as APPNOTE.TXT has it, where they do not say otherwise."""
    body, directory = bytearray(prefix), bytearray()
    for member in members:
        packed = member.data if member.packed is None else member.packed
        if member.packed is None and member.method == DEFLATED:
            packed = deflated(member.data)
        fields = struct.pack(
            "<5H3L", 20, member.flags, member.method, 0, 33,
            zlib.crc32(member.data) if member.crc is None else member.crc,
            len(packed) if member.packed_size is None else member.packed_size,
            len(member.data) if member.size is None else member.size,
        )  # fmt: skip
        offset = len(body) if member.offset is None else member.offset
        local = member.name if member.local_name is None else member.local_name
        directory += b"PK\1\2\x14\0" + fields + struct.pack(
            "<5H2L", len(member.name), len(member.extra), 0, 0, 0, 0, offset
        )  # fmt: skip
        directory += member.name + member.extra
        body += b"PK\3\4" + fields + struct.pack("<2H", len(local), 0) + local + packed
    count = len(members) if entries is None else entries
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", disk, disk, count & 0xFFFF, count & 0xFFFF,
        len(directory), len(body), len(comment),
    )  # fmt: skip
    return bytes(body + directory + between + end + comment)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zeros_deflated(start: bytes, megabytes: int) -> bytes:
    """`start` and then as many zeros: the same packed megabyte again and again."""
    packer = zlib.compressobj(9, wbits=-15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    one = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + one * megabytes + packer.flush()


def zeros(name: str, dtype: str, rows: int, row: tuple[int, ...], first: int = 1) -> Member:
    """An array of zeros, but for the first 10 examples, in a thousandth of its size."""
    size = np.dtype(dtype).itemsize * prod(row)
    start = npy(descr=repr(dtype), shape=repr((rows, *row)))
    start += np.full((10, *row), first, dtype).tobytes()
    megabytes, rest = divmod((rows - 10) * size, 1 << 20)
    start += bytes(rest)
    crc = zlib.crc32(start)
    for _ in range(megabytes):
        crc = zlib.crc32(bytes(1 << 20), crc)
    packed = zeros_deflated(start, megabytes)
    size = len(start) + (megabytes << 20)
    return Member(f"{name}.npy".encode(), b"", DEFLATED, packed, crc, size)


def npy(
    array: np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None = None,
    *,
    descr: str = "'<f4'",
    shape: str = "(20, 3)",
    fortran: str = "False",
    data: bytes = b"",
    header: bytes | None = None,
    version: int = 1,
    length: int | None = None,
) -> bytes:
    """What numpy.save makes of `array`, or a header of any text before `data`."""
    if array is not None:
        file = io.BytesIO()
        np.save(file, array, allow_pickle=False)
        return file.getvalue()
    if header is None:
        header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<L", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


def npz(method: int = STORED, **arrays: bytes) -> bytes:
    """A zip of the arrays that `npy` gave."""
    return zipped([Member(f"{name}.npy".encode(), data, method) for name, data in arrays.items()])


_RANDOM = np.random.default_rng(0)
X = _RANDOM.normal(size=(20, 3)).astype(np.float32)
Y = np.arange(20) % 2
GOOD_X, GOOD_Y = npy(X), npy(Y)
_X, _Y = Member(b"x.npy", GOOD_X), Member(b"y.npy", GOOD_Y)


def good_npz(method: int = DEFLATED) -> bytes:
    """20 examples of 3 floats, 2 classes: nothing hostile, to be damaged."""
    return npz(method, x=GOOD_X, y=GOOD_Y)


def good_csv(rows: int = 20) -> bytes:
    """Columns a, b and label, two classes."""
    lines = [f"{row},{row * row},{'cat' if row % 2 else 'dog'}" for row in range(rows)]
    return "\n".join(["a,b,label", *lines, ""]).encode()


def _with_x(**changes: object) -> bytes:
    """A good npz, but for some fields of the zip entry x."""
    return zipped([replace(_X, **changes), _Y])  # type: ignore[arg-type]


def _x(**header: object) -> Callable[[], bytes]:
    """An npz whose x has this header."""
    return lambda: npz(x=npy(**header), y=GOOD_Y)  # type: ignore[arg-type]


def _arrays(**arrays: object) -> Callable[[], bytes]:
    """An npz of arrays, good but for what they are."""
    return lambda: zipped(
        [Member(f"{name}.npy".encode(), npy(np.asarray(array))) for name, array in arrays.items()]
    )


class _Opener:
    """Makes the canary when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (CANARY, "w")


def _numpy_objects() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.array([_Opener()] * 20, object), y=Y)
    return file.getvalue()


def _overlapping() -> bytes:
    """Both entries are the same bytes: the way to 281 TB in 10 MB (Fifield, 2019)."""
    x = Member(b"x.npy", GOOD_X)
    return zipped([x, replace(x, name=b"y.npy", offset=0)])


def _bomb_within_limits() -> bytes:
    """256 MB from 256 kB: all of it has to be inflated to be refused, as nothing but zeros."""
    rows = 256 << 10
    labels = npy((np.arange(rows) % 2).astype(np.int8))
    x = zeros("x", "|u1", rows, (1024,), first=0)
    return zipped([x, Member(b"y.npy", labels, DEFLATED)])


def _bomb_beyond_its_size() -> bytes:
    """Says that it is as large as its array, and inflates to 300 MB more."""
    packed = zeros_deflated(GOOD_X, 300)
    return zipped([Member(b"x.npy", b"", DEFLATED, packed, crc=1, size=len(GOOD_X)), _Y])


def _bomb_beyond_the_limits() -> bytes:
    """1.2 GB from 1.2 MB."""
    return zipped([zeros("x", "|u1", 1 << 20, (1200,)), _Y])


def _of_8_tib() -> bytes:
    """Directory and header agree on it, in some 300 bytes."""
    header = npy(shape=f"({1 << 41},)")
    extra = struct.pack("<2HQ", 1, 8, len(header) + (1 << 43))
    x = replace(_X, data=header, method=DEFLATED, size=0xFFFFFFFF, extra=extra)
    return zipped([x, _Y])


def _directory_bomb() -> bytes:
    members = [Member(b"%d.npy" % number, b"") for number in range(60_000)]
    return zipped(members)


def _locator() -> bytes:
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 1 << 40, 0)
    return zipped([_X, _Y], between=end64 + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1))


def _damaged(at: float) -> bytes:
    """One byte of the packed data of x is another."""
    data = bytearray(
        npz(DEFLATED, x=npy(np.arange(20_000.0).reshape(1000, 20)), y=npy(np.arange(1000) % 2))
    )
    data[int(at * len(data))] ^= 0xFF
    return bytes(data)


def _zip_of(name: str) -> Callable[[], bytes]:
    return lambda: zipped([Member(name.encode(), GOOD_X), _Y])


_FILES: dict[str, Callable[[], bytes]] = {
    "an empty file": lambda: b"",
    "a single byte": lambda: b"P",
    "random bytes": lambda: random.Random(0).randbytes(100_000),
    "a web page": lambda: b"<!doctype html><title>Sign in</title>" * 100,
    "a pickle": lambda: pickle.dumps(_Opener()),
    "a bare array": lambda: GOOD_X,
    "a gzipped npz": lambda: gzip.compress(good_npz()),
    "a csv as npz": good_csv,
    "cut in the middle": lambda: good_npz()[:300],
    "cut by a byte": lambda: good_npz()[:-1],
    "its first half is missing": lambda: good_npz()[200:],
    "an end of a zip alone": lambda: zipped([]),
    "a directory alone": lambda: zipped([replace(_X, offset=0), replace(_Y, offset=0)])[-150:],
}
_ARCHIVES: dict[str, Callable[[], bytes]] = {
    "60,000 entries": _directory_bomb,
    "more entries announced than there are": lambda: zipped([_X, _Y], entries=0xFFFF),
    "fewer entries announced than there are": lambda: zipped(
        [_X, _Y, replace(_X, name=b"z")], entries=2
    ),
    "an archive comment": lambda: zipped([_X, _Y], comment=b"PK\5\6" + bytes(60_000)),
    "bytes before the archive": lambda: zipped([_X, _Y], prefix=b"#!/bin/sh\n")[3:],
    "bytes before the end": lambda: zipped([_X, _Y], between=bytes(1000)),
    "a zip64 directory": _locator,
    "the second disk of two": lambda: zipped([_X, _Y], disk=1),
    "a path upwards": _zip_of("../../x.npy"),
    "an absolute path": _zip_of("/etc/x.npy"),
    "a path of Windows": _zip_of("..\\x.npy"),
    "a folder": _zip_of("x/"),
    "a name of 60,000 characters": _zip_of("x" * 60_000),
    "a name that is not UTF-8": lambda: _with_x(name=b"\xff\xfe.npy", flags=0x800),
    "a name that ends with NUL": lambda: _with_x(name=b"x.npy\0.npy"),
    "an array too many": lambda: npz(x=GOOD_X, y=GOOD_Y, z=GOOD_X),
    "an array too few": lambda: npz(x=GOOD_X),
    "the same name twice": lambda: zipped([_X, _X]),
    "an encrypted entry": lambda: _with_x(flags=ENCRYPTED),
    "a patched entry": lambda: _with_x(flags=0x20),
    "bzip2": lambda: _with_x(method=BZIP2),
    "lzma": lambda: _with_x(method=LZMA),
    "an unknown method": lambda: _with_x(method=UNKNOWN),
    "overlapping entries": _overlapping,
    "an entry beyond the end": lambda: _with_x(offset=1 << 30),
    "an entry within the directory": lambda: _with_x(offset=len(GOOD_X) + len(GOOD_Y)),
    "another name before the data": lambda: _with_x(local_name=b"z.npy"),
    "a wrong checksum": lambda: _with_x(crc=1),
    "stored in more bytes than it has": lambda: _with_x(size=10),
    "stored in fewer bytes than it has": lambda: _with_x(size=1 << 29),
    "more packed bytes than the file has": lambda: _with_x(packed_size=1 << 29, size=1 << 29),
    "deflated nonsense": lambda: _with_x(method=DEFLATED, packed=bytes(range(255, 0, -1))),
    "deflated to less than it says": lambda: _with_x(
        method=DEFLATED, packed=deflated(GOOD_X[:200])
    ),
    "a damaged byte": lambda: _damaged(0.3),
    "an archive in an archive": lambda: _with_x(data=good_npz()),
    "a bomb that says what it is": _bomb_beyond_the_limits,
    "a bomb that says it is small": _bomb_beyond_its_size,
    "a bomb within the limits": _bomb_within_limits,
    "8 TiB": _of_8_tib,
}
_HEADERS: dict[str, Callable[[], bytes]] = {
    "objects by numpy": _numpy_objects,
    "objects": _x(descr="'|O'", data=pickle.dumps(_Opener())),
    "objects in a structure": _x(descr="[('a', '|O')]", data=pickle.dumps([_Opener()] * 20)),
    "code for a dtype": _x(descr=f"open('{CANARY}', 'w')"),
    "a header of 4 GiB": _x(version=2, length=0xFFFFFFFF),
    "a header of 65,535 bytes": _x(header=b" " * 0xFFFF),
    "a header of brackets": _x(header=b"(" * 4000),
    "a header of minuses": _x(header=b"{'shape': " + b"-" * 4000 + b"1}"),
    "a header of commas": _x(shape="(" + "1," * 1900 + ")"),
    "a header of digits": _x(shape="(" + "9" * 4000 + ",)"),
    "a header of nothing": _x(header=b""),
    "a header cut off": lambda: npz(x=GOOD_X[:60], y=GOOD_Y),
    "a header with a key twice": _x(header=b"{'descr': '<f4', 'shape': (20, 3), 'shape': (1,)}"),
    "a header that is not text": _x(header=bytes(range(128, 256))),
    "a version of the future": _x(version=9),
    "no magic": lambda: npz(x=bytes(500), y=GOOD_Y),
    "a negative size": _x(shape="(-20, -3)", data=bytes(240)),
    "sizes that overflow": _x(shape=f"({1 << 40}, {1 << 40})"),
    "sizes whose product is 0 in 64 bits": _x(shape=f"({1 << 32}, {1 << 32})"),
    "8 TiB in the header": _x(shape=f"({1 << 41},)"),
    "24 TB in sizes that are allowed": _x(descr="'<f8'", shape="(10000000, 300000)"),
    "8 TiB with a 0": _x(shape=f"(0, {1 << 41})"),
    "more examples than data": _x(shape="(20, 4)", data=bytes(240)),
    "fewer examples than data": _x(shape="(20, 2)", data=bytes(240)),
    "33 dimensions": _x(shape="(20" + ", 1" * 32 + ")", data=bytes(80)),
    "no dimension": _x(shape="()", data=bytes(4)),
    "no values": _x(shape="(20, 0)"),
    "text of 10^6 characters": lambda: npz(x=GOOD_X, y=npy(descr="'<U999999'", shape="(20,)")),
    "text of 0 characters": lambda: npz(x=GOOD_X, y=npy(descr="'<U0'", shape="(20,)")),
    "floats of 3 bytes": _x(descr="'<f3'", data=bytes(180)),
    "floats of 16 bytes": _x(descr="'<f16'", data=bytes(960)),
    "an example of 10^6 values": _x(descr="'|u1'", shape="(20, 1000000)", data=bytes(20_000_000)),
    "2 * 10^7 examples": lambda: npz(
        x=npy(descr="'|u1'", shape="(20000000,)", data=bytes(20_000_000)), y=GOOD_Y
    ),
}
_TEXT = npy(descr="'<U2'", shape="(20,)", data=struct.pack("<2L", 0x110000, 0xFFFFFFFF) * 20)
_ARRAYS: dict[str, Callable[[], bytes]] = {
    "complex inputs": _arrays(x=X.astype(np.complex64), y=Y),
    "dates as inputs": _arrays(x=X.astype("datetime64[s]"), y=Y),
    "text as inputs": _arrays(x=X.astype("U8"), y=Y),
    "records as inputs": _arrays(x=np.zeros((20, 3), "f4,i2"), y=Y),
    "labels for fewer examples": _arrays(x=X, y=Y[:19]),
    "parts of different shapes": _arrays(x_train=X, y_train=Y, x_test=X[:, :2], y_test=Y),
    "parts of different scales": _arrays(x_train=X, y_train=Y, x_test=X.astype("u1"), y_test=Y),
    "labels of different kinds": _arrays(x_train=X, y_train=Y, x_test=X, y_test=Y.astype("U1")),
    "integers on three axes": _arrays(x=X, y=np.zeros((20, 2, 2), int)),
    "1,001 classes": _arrays(x=np.arange(3003.0).reshape(1001, 3), y=np.arange(1001)),
    "1,001 targets": _arrays(x=X, y=np.zeros((20, 1001))),
    "one class": _arrays(x=X, y=np.zeros(20, int)),
    "one class for training": _arrays(x_train=X, y_train=Y * 0, x_test=X, y_test=Y),
    "labels of 0, 1 and 2": _arrays(x=X, y=np.stack([Y, Y + 1], 1)),
    "nothing but NaN": _arrays(x=X * np.nan, y=Y),
    "nothing but sevens": _arrays(x=X * 0 + 7, y=Y),
    "numbers beyond float32": _arrays(x=X.astype("f8") * 1e300, y=Y),
    "two examples": _arrays(x=X[:2], y=Y[:2]),
    "characters that do not exist": lambda: npz(x=GOOD_X, y=_TEXT),
    "halves of characters": _arrays(x=X, y=np.where(Y, "\ud800", "b")),
    "labels with NUL": _arrays(x=X, y=np.where(Y, "a\0b", "b")),
    "bytes that are not UTF-8": _arrays(x=X, y=np.where(Y, b"\xff", b"b")),
}


def _csv(*lines: str) -> Callable[[], bytes]:
    """These lines, and then those of the good table."""
    return lambda: "\n".join([*lines, good_csv().decode().partition("\n")[2]]).encode()


def _numbers_then_text() -> bytes:
    rows = "".join(f"\n{n},{n},{n}.5" for n in range(100_000))
    return f"{_HEAD}{rows}\n1,2,cat".encode()


_HEAD = "a,b,label"
_TABLES: dict[str, Callable[[], bytes]] = {
    "an empty table": lambda: b"",
    "a header without rows": _HEAD.encode,
    "one row": lambda: good_csv(1),
    "10^6 columns": lambda: ",".join(f"c{n}" for n in range(10**6)).encode() + b",label\n1\n",
    "10^6 columns without names": lambda: b"," * 10**6 + b"\n",
    "10^6 cells in a row": _csv(_HEAD, "1," * 10**6),
    "a line without end": lambda: _HEAD.encode() + b"\n" + b"1" * 8_000_000,
    "a header without end": lambda: b"a" * 8_000_000,
    "a quote without end": lambda: b'a,b,label\n1,2,"' + b"cat\n" * 1_000_000,
    "a quote without end on a line": _csv(_HEAD, '1,2,"' + "," * 200_000),
    "a cell of 300,000 characters": _csv(_HEAD, f"1,2,{'c' * 300_000}"),
    "a quote within a cell": _csv(_HEAD, '1,2,"cat"s"'),
    "a line break within a cell": _csv(_HEAD, '1,2,"c\nat"'),
    "NUL bytes": lambda: good_csv().replace(b"cat", b"c\0t"),
    "NUL bytes alone": lambda: bytes(1_000_000),
    "bytes that are no text": lambda: good_csv().replace(b"cat", b"\xff\xfe"),
    "UTF-16": lambda: good_csv().decode().encode("utf-16"),
    "line feeds alone": lambda: _HEAD.encode() + b"\n" * 4_000_000,
    "carriage returns alone": lambda: good_csv().replace(b"\n", b"\r"),
    "an npz as csv": good_npz,
    "a gzipped table": lambda: gzip.compress(good_csv()),
    "a spreadsheet": lambda: zipped([Member(b"xl/workbook.xml", b"<workbook/>", DEFLATED)]),
    "a name twice": _csv("a,a,label"),
    "a name that is empty": _csv("a,,label"),
    "a name with a control character": _csv("a,\x1b[2J,label"),
    "a name of 1,000 characters": _csv(f"a,{'b' * 1000},label"),
    "semicolons": lambda: good_csv().replace(b",", b";"),
    "a cell too many": _csv(_HEAD, "1,2,cat,4"),
    "a cell too few": _csv(_HEAD, "1,cat"),
    "text among the numbers": _csv(_HEAD, "1,two,cat"),
    "a formula": _csv(_HEAD, "1,\"=cmd|' /C calc'!A0\",cat"),
    "numbers beyond float32 in a table": _csv(_HEAD, "1,1e39,cat"),
    "a label that is empty": _csv(_HEAD, "1,2,"),
    "a label of 1,000 characters": _csv(_HEAD, f"1,2,{'c' * 1000}"),
    "2,000 labels": (_HEAD + "".join(f"\n{n},{n},c{n}" for n in range(2000))).encode,
    "one label everywhere": lambda: good_csv().replace(b"dog", b"cat"),
    "10^5 numbers as labels, and then text": _numbers_then_text,
}
