"""Good uploads: what was sent is what a worker gets, and what is said of it is true."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from api.datasets.reading.options import Limits, Wanted
from api.datasets.reading.read import Read
from contract.errors import DatasetRefused
from contract.experiment.datasets import Facts, Task
from tests.uploads import Array, arrays_of, read_bytes

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(50, 4))
CLASSES = np.arange(50) % 3
TASKS: list[Task | None] = [None, "classification", "multi_label", "regression"]


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def csv(columns: dict[str, Any], end: str = "\n") -> bytes:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    return (end.join(lines) + end).encode()


def parts(**arrays: Array) -> Array:
    """Both parts of x or y in one, the training part first."""
    return np.concatenate([arrays["train"], arrays["test"]])


def test_parts_are_kept_as_they_were_sent(tmp_path: Path) -> None:
    sent: dict[str, Array] = {
        "x_train": RANDOM.integers(0, 255, (30, 6, 5, 3), dtype=np.uint8),
        "y_train": RANDOM.integers(0, 4, 30),
        "x_test": RANDOM.integers(0, 255, (10, 6, 5, 3), dtype=np.uint8),
        "y_test": RANDOM.integers(0, 4, 10),
    }
    read = read_bytes(npz(**sent), "npz", tmp_path)
    got = arrays_of(read)
    assert got.keys() == sent.keys()
    for name, array in sent.items():
        assert np.array_equal(got[name], array)
        assert got[name].dtype == (np.int32 if name.startswith("y") else np.uint8)
    assert read.facts == Facts(
        task="classification", shape=(6, 5, 3), classes=4, train_examples=30, test_examples=10,
        value_range=(0, 255), bytes_per_value=1, source="upload",
        description="40 uploaded examples, npz, classification", class_names=("0", "1", "2", "3"),
        whole_range=(0, 254),
    )  # fmt: skip
    assert read.report.value_range == (sent["x_train"].min(), sent["x_train"].max())
    assert read.report.train.class_counts == np.bincount(sent["y_train"]).tolist()
    assert read.report.test.class_counts == np.bincount(sent["y_test"], minlength=4).tolist()
    assert read.report.split.by == "sender"
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.npz"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.int64, np.bool_])
def test_weights_are_kept_of_the_training_part(dtype: Any, tmp_path: Path) -> None:
    """Those of the examples that are held out are dropped; `x` tells which is which."""
    weights = (RANDOM.random(50) * 5).astype(dtype)
    x = np.arange(50.0)[:, None]
    read = read_bytes(npz(x=x, y=CLASSES, w=weights), "npz", tmp_path)
    got = arrays_of(read)
    assert got.keys() == {"x_train", "y_train", "x_test", "y_test", "w_train"}
    assert got["w_train"].dtype == np.float32
    kept = got["x_train"][:, 0].astype(int)
    assert np.array_equal(got["w_train"], weights[kept].astype(np.float32))
    assert read.facts.weighted
    sent = {"x_train": x, "y_train": CLASSES, "x_test": x, "y_test": CLASSES, "w_train": weights}
    got = arrays_of(read_bytes(npz(**sent), "npz", tmp_path))
    assert np.array_equal(got["w_train"], weights.astype(np.float32))


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (-np.ones(50), "w has the value -1.0; expected finite numbers"),
        (np.full(50, np.nan), "w has the value nan"),
        (np.full(50, np.inf), "w has the value inf"),
        (np.full(50, 1e39), "w has the value 1e"),
        (np.zeros(50), "no weight above 0"),
        (np.ones(49), "x and w must have as many examples; received 50 and 49"),
        (np.ones((50, 1)), r"w has shape (50, 1); expected one weight an example, shape (50,)"),
        (np.array(["1"] * 50), "w has dtype"),
    ],
)
def test_what_is_no_weight_is_refused(weights: Array, said: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused) as refusal:
        read_bytes(npz(x=X, y=CLASSES, w=weights), "npz", tmp_path)
    assert said in str(refusal.value)
    assert list(tmp_path.glob("dataset.npz")) == []


def test_a_fifth_of_each_class_is_held_out_and_order_is_kept(tmp_path: Path) -> None:
    y = np.repeat([5, -7, 5, 12], [40, 30, 20, 11])
    x = np.arange(101.0)[:, None] + 1
    read = read_bytes(npz(x=x, y=y), "npz", tmp_path)
    got = arrays_of(read)
    train, test = (got[f"x_{part}"][:, 0].astype(int) - 1 for part in ("train", "test"))
    assert sorted([*train, *test]) == list(range(101))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()
    assert read.report.class_names == ["-7", "5", "12"]
    assert read.report.test.class_counts == [6, 12, 2]
    for rows, labels in ((train, got["y_train"]), (test, got["y_test"])):
        assert np.array_equal(np.array([-7, 5, 12])[labels], y[rows])
    assert read.report.split.stratified
    assert set(test) != set(range(101 - len(test), 101))


def test_the_same_upload_becomes_the_same_bytes(tmp_path: Path) -> None:
    content = npz(x=X, y=CLASSES)
    files = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        files.append(read_bytes(content, "npz", folder).file.read_bytes())
    assert files[0] == files[1]


def test_another_share_for_testing(tmp_path: Path) -> None:
    read = read_bytes(npz(x=X, y=X[:, 0]), "npz", tmp_path, Wanted(test_fraction=0.5))
    assert (read.facts.train_examples, read.facts.test_examples) == (25, 25)
    assert not read.report.split.stratified


@pytest.mark.parametrize("fraction", [-1, 0, 0.001, 1, 2, np.nan, np.inf])
def test_a_part_must_not_be_empty(fraction: float, tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused, match=r"for testing.* received"):
        read_bytes(npz(x=X, y=CLASSES), "npz", tmp_path, Wanted(test_fraction=fraction))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f8", "<i8", ">u2", "|i1", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_integers_stay_whole_and_all_else_becomes_float32(
    dtype: str, order: Any, tmp_path: Path
) -> None:
    x = (X.reshape(50, 2, 2) * 3).clip(0).astype(dtype, order=order)
    read = read_bytes(npz(x_train=x, y_train=CLASSES, x_test=x, y_test=CLASSES), "npz", tmp_path)
    got = arrays_of(read)["x_train"]
    kept = "int32" if x.dtype.kind in "iu" else "float32"
    assert got.dtype.name == read.facts.dtype == read.report.stored_dtype == kept
    assert np.array_equal(got, x.astype(kept))
    assert read.facts.value_range == (got.min(), got.max())
    assert (read.facts.bytes_per_value, read.facts.shape) == (4, (2, 2))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("most", "kept"), [(2**31 - 1, "int32"), (2**31, "float32"), (2**63 - 1, "float32")]
)
def test_integers_within_32_bits_are_kept_to_the_last_one(
    order: Any, most: int, kept: str, tmp_path: Path
) -> None:
    x = np.arange(200).reshape(50, 2, 2) - 5
    x[-1, -1, -1] = most
    x = x.astype(np.int64, order=order)
    read = read_bytes(npz(x=x, y=CLASSES), "npz", tmp_path)
    assert read.facts.dtype == kept
    assert read.facts.whole_range == ((-5, most) if kept == "int32" else None)
    got = arrays_of(read)
    found = max(got[f"x_{part}"].max() for part in ("train", "test"))
    assert found == np.dtype(kept).type(most)


def test_one_number_an_example(tmp_path: Path) -> None:
    read = read_bytes(npz(x=X[:, 0], y=CLASSES[:, None]), "npz", tmp_path)
    assert read.facts.shape == (1,)
    assert arrays_of(read)["y_train"].shape == (40,)


# What is sent as y, and what `task` makes of it: a task and how many classes or targets.
LABELS: list[tuple[str, Array, list[tuple[str, int] | None]]] = [
    ("integers", CLASSES - 1,
     [("classification", 3), ("classification", 3), None, ("regression", 1)]),
    ("bools", CLASSES == 1,
     [("classification", 2), ("classification", 2), None, ("regression", 1)]),
    ("text", np.array(["b", "ä", "c d"])[CLASSES],
     [("classification", 3), ("classification", 3), None, None]),
    ("bytes", np.array([b"b", b"\xc3\xa4"])[CLASSES % 2],
     [("classification", 2), ("classification", 2), None, None]),
    ("whole floats", CLASSES * 1.0,
     [("regression", 1), ("classification", 3), None, ("regression", 1)]),
    ("floats", X[:, 0], [("regression", 1), None, None, ("regression", 1)]),
    ("one-hot integers", np.eye(3, dtype=int)[CLASSES],
     [("classification", 3), ("classification", 3), ("multi_label", 3), ("regression", 3)]),
    ("one-hot floats", np.eye(3)[CLASSES],
     [("classification", 3), ("classification", 3), ("multi_label", 3), ("regression", 3)]),
    ("labels", np.stack([CLASSES == 1, CLASSES > 0], 1),
     [("multi_label", 2), ("classification", 2), ("multi_label", 2), ("regression", 2)]),
    ("several floats", X[:, :2], [("regression", 2), None, None, ("regression", 2)]),
    ("several integers", np.stack([CLASSES, CLASSES], 1),
     [None, ("classification", 3), None, ("regression", 2)]),
    ("text at each step", np.array(["b", "ä", "c d"])[np.stack([CLASSES, CLASSES], 1)],
     [("classification", 3), ("classification", 3), None, None]),
    ("integers in a column", np.stack([CLASSES, CLASSES], 1)[..., None],
     [None, ("classification", 3), None, ("regression", 1)]),
    ("one-hot at each step", np.eye(3)[np.stack([CLASSES, CLASSES], 1)],
     [("classification", 3), ("classification", 3), None, ("regression", 3)]),
    ("small pictures", X.reshape(50, 2, 2, 1),
     [("regression", 1), None, None, ("regression", 1)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("y", "task", "expected"),
    [
        pytest.param(y, task, result, id=f"{name}-{task}")
        for name, y, results in LABELS
        for task, result in zip(TASKS, results, strict=True)
    ],
)
def test_what_labels_stand_for(
    y: Array, task: Task | None, expected: tuple[str, int] | None, tmp_path: Path
) -> None:
    content = npz(x_train=X, y_train=y, x_test=X, y_test=y)
    if expected is None:
        with pytest.raises(DatasetRefused, match="expect"):
            read_bytes(content, "npz", tmp_path, Wanted(task=task))
        assert list(tmp_path.iterdir()) == []
        return
    read = read_bytes(content, "npz", tmp_path, Wanted(task=task))
    facts, got = read.facts, arrays_of(read)["y_test"]
    assert (facts.task, facts.output_shape[-1]) == expected
    assert read.report.guessed == (task is None)
    assert got.dtype == (np.float32 if facts.task == "regression" else np.int32)
    if facts.task != "classification":
        assert np.array_equal(got, y.astype(got.dtype))
    else:
        one_hot = y.ndim > 1 and bool((np.asarray(y == 1).sum(-1) == 1).all())
        assert read.report.one_hot == one_hot
        wanted = y.argmax(-1) if one_hot else np.unique(y, return_inverse=True)[1]
        assert np.array_equal(got, wanted.reshape(got.shape))
        column = y.ndim > 2 and y.shape[-1] == 1
        assert facts.label_shape == (y.shape[1:-1] if one_hot or column else y.shape[1:])
    check_counts(read, got)


def check_counts(read: Read, y: Array) -> None:
    """The report's own counts of the test part."""
    part = read.report.test
    assert part.examples == len(y)
    if read.facts.task == "classification":
        assert part.class_counts == np.bincount(y.ravel()).tolist()
    elif read.facts.task == "multi_label":
        assert part.label_counts == y.sum(0).tolist()
    else:
        assert part.targets is not None
        rows = y.reshape(-1, 1) if read.facts.label_shape else y.reshape(len(y), -1)
        for target, column in zip(part.targets, rows.T, strict=True):
            assert (target.min, target.max) == (column.min(), column.max())
            assert target.mean == pytest.approx(column.mean(dtype=np.float64))


TABLE = {"a": X[:, 0], "b": np.arange(50), "c": X[:, 1]}


@pytest.mark.parametrize(
    ("labels", "task", "expected", "names"),
    [
        ({"y": np.array(["x", "z", "y"])[CLASSES]}, None, ("classification", 3), ["x", "y", "z"]),
        ({"y": CLASSES * 5}, None, ("classification", 3), ["0", "5", "10"]),
        ({"y": CLASSES * 5}, "regression", ("regression", 1), None),
        ({"y": CLASSES * 5.0}, None, ("regression", 1), None),
        ({"y": CLASSES * 5.0}, "classification", ("classification", 3), ["0", "5", "10"]),
        ({"y": X[:, 2]}, None, ("regression", 1), None),
        ({"y": CLASSES % 2, "z": CLASSES // 2}, None, ("multi_label", 2), None),
        ({"y": CLASSES == 9, "z": CLASSES == 0}, None, None, None),
        ({"y": X[:, 2], "z": X[:, 3]}, None, ("regression", 2), None),
        ({f"is {c}": 1 * (c == CLASSES) for c in range(3)}, None, ("classification", 3),
         ["is 0", "is 1", "is 2"]),
        ({"y": CLASSES}, "multi_label", None, None),
        ({"y": np.array(["x", "y", "z"])[CLASSES]}, "regression", None, None),
    ],
)  # fmt: skip
def test_tables(
    labels: dict[str, Any],
    task: Task | None,
    expected: tuple[str, int] | None,
    names: list[str] | None,
    tmp_path: Path,
) -> None:
    """Label columns lie among the features, whose order is kept."""
    first, *others = labels
    columns = {first: labels[first], **TABLE, **{name: labels[name] for name in others}}
    wanted = Wanted(tuple(labels), task)
    if expected is None:
        with pytest.raises(DatasetRefused, match="expect"):
            read_bytes(csv(columns), "csv", tmp_path, wanted)
        return
    read = read_bytes(csv(columns), "csv", tmp_path, wanted)
    got = arrays_of(read)
    assert (read.facts.task, read.facts.output_shape[-1]) == expected
    assert read.report.class_names == names
    x = np.stack([np.asarray(c, np.float32) for c in TABLE.values()], 1)
    order = got["x_test"][:, 1].astype(int)
    assert np.array_equal(got["x_test"], x[order])
    y = np.stack([np.asarray(column) for column in labels.values()], 1)[order]
    if names is None:
        assert np.array_equal(got["y_test"].reshape(y.shape), y.astype(np.float32))
    else:
        told = np.array(names)[got["y_test"]]
        kept = [int(float(v)) if task == "classification" else v for v in y[:, 0]]
        assert told.tolist() == ([str(v) for v in kept] if len(labels) == 1 else
                                 [f"is {row.argmax()}" for row in y])  # fmt: skip


SAME = csv({"a": [1, 2, 3, 4] * 3, "y": ["u", "v"] * 6})


@pytest.mark.parametrize(
    "content",
    [
        SAME.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + SAME,
        SAME.rstrip(),
        SAME + b"\n\r\n\n",
        SAME.replace(b"\n", b"\n\n"),
        SAME.replace(b",", b" , "),
        SAME.replace(b"u", b'"u"').replace(b"1", b'"1"').replace(b"a,", b'"a",'),
        SAME.replace(b"1", b"1e0").replace(b"2", b"+2.00"),
    ],
    ids=["CRLF", "BOM", "no end", "blank end", "blank lines", "blanks", "quotes", "spelling"],
)
def test_tables_are_written_in_many_ways(content: bytes, tmp_path: Path) -> None:
    files = []
    for number, sent in enumerate((SAME, content)):
        folder = tmp_path / str(number)
        folder.mkdir()
        files.append(read_bytes(sent, "csv", folder, Wanted(("y",))).file.read_bytes())
    assert files[0] == files[1]


def test_rows_and_line_numbers_survive_the_pieces_that_a_table_is_read_in(tmp_path: Path) -> None:
    rows = 60_000
    content = csv({"a": range(rows), "y": [f"class {row % 7}" for row in range(rows)]})
    assert len(content) > 3 * (1 << 18)
    read = read_bytes(content, "csv", tmp_path, Wanted(("y",)))
    got = arrays_of(read)
    x, y = (parts(train=got[f"{a}_train"], test=got[f"{a}_test"]) for a in "xy")
    assert np.array_equal(np.sort(x[:, 0]), np.arange(rows))
    assert np.array_equal(x[:, 0] % 7, y)
    with pytest.raises(DatasetRefused, match=r"line 50,002, column 'a': .* received 'fifty'"):
        read_bytes(content.replace(b"\n50000,", b"\nfifty,"), "csv", tmp_path, Wanted(("y",)))


@pytest.mark.parametrize("rows", [1, 20, 100_000])
def test_a_table_without_line_breaks(rows: int, tmp_path: Path) -> None:
    """As `curl -d @file` sends it."""
    content = csv({"a": range(rows), "y": ["u", "v"] * (rows // 2) or ["u"]}).replace(b"\n", b"")
    with pytest.raises(DatasetRefused, match=r"line.* -d removes line breaks, --data-binary @file"):
        read_bytes(content, "csv", tmp_path, Wanted(("y",)))


def test_a_missing_number(tmp_path: Path) -> None:
    """An empty cell is kept as NaN, which the report calls an error: it is not to be advised."""
    table = csv({"a": range(50), "b": [1.5, 2.5] * 25, "y": ["u", "v"] * 25})
    with pytest.raises(DatasetRefused, match=r"line 4, column 'b': .* or leave its row out$"):
        read_bytes(table.replace(b"\n2,1.5", b"\n2,?"), "csv", tmp_path, Wanted(("y",)))
    read = read_bytes(table.replace(b"\n2,1.5", b"\n2,"), "csv", tmp_path, Wanted(("y",)))
    assert not read.facts.finite
    levels = {check.code: check.level for check in read.report.checks}
    assert levels["non_finite_inputs"] == "error"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    x=hnp.arrays(
        st.sampled_from(["u1", "i2", "f4", "f8"]),
        hnp.array_shapes(min_dims=2, max_dims=4, min_side=2, max_side=12),
        elements={"min_value": 0, "max_value": 100},
    ),
    sent=st.booleans(),
    fraction=st.floats(0.1, 0.9),
)
def test_any_array_comes_back(x: Array, sent: bool, fraction: float, tmp_path: Path) -> None:
    """y is each example's number, so that it is found again."""
    n = 20
    x = np.resize(x, (n, *x.shape[1:]))
    x.reshape(n, -1)[:, 0] = range(n)
    stored = x.astype({"u1": np.uint8, "i2": np.int32}.get(x.dtype.str[1:], np.float32))
    y = np.arange(n) * 1.0
    arrays = {"x": x, "y": y}
    if sent:
        arrays = {"x_train": x[:15], "y_train": y[:15], "x_test": x[15:], "y_test": y[15:]}
    folder = tmp_path / "made"
    folder.mkdir(exist_ok=True)
    read = read_bytes(npz(**arrays), "npz", folder, Wanted(test_fraction=fraction))
    got = arrays_of(read)
    for part in ("train", "test"):
        assert np.array_equal(got[f"x_{part}"], stored[got[f"y_{part}"].astype(int)])
    assert sorted([*got["y_train"], *got["y_test"]]) == y.tolist()
    assert abs(len(got["y_test"]) - (5 if sent else fraction * n)) <= 0.5


def test_what_is_kept_must_fit_the_limit(tmp_path: Path) -> None:
    """Bools take a byte each as they are sent, and four as they are kept."""
    content = npz(x=X > 0, y=CLASSES.astype(np.int8))
    kept = 50 * (4 * 4 + 4)
    with pytest.raises(DatasetRefused, match=rf"at most {kept - 1} bytes .* received {kept:,}"):
        read_bytes(content, "npz", tmp_path, limits=Limits(kept - 1, 100))
    assert read_bytes(content, "npz", tmp_path, limits=Limits(kept, 100)).file.is_file()
    table = csv({**TABLE, "y": CLASSES})
    with pytest.raises(DatasetRefused, match="799 bytes"):
        read_bytes(table, "csv", tmp_path, Wanted(("y",)), Limits(799, 100))
    with pytest.raises(DatasetRefused, match=r"at most 3 columns .* received 4"):
        read_bytes(table, "csv", tmp_path, Wanted(("y",)), Limits(800, 3))


def test_quantities_that_were_taken_for_classes_are_told_as_such(tmp_path: Path) -> None:
    """Whole numbers are classes unless it is said; each with one example leaves none to test on."""
    sent = csv({"rooms": range(200), "price": range(1000, 1200)})
    with pytest.raises(DatasetRefused, match=r"200 classes .* in 200 examples.*task=regression"):
        read_bytes(sent, "csv", tmp_path, Wanted(label=("price",)))
    taken = read_bytes(sent, "csv", tmp_path, Wanted(label=("price",), task="regression"))
    assert taken.facts.task == "regression"
