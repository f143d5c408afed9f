from pathlib import Path

import pytest

from tests.unit.training.flowers import HEADER, csv, lines, spoiled
from training.dataset import load_table, read_csv
from training.errors import DataFault


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "is missing"),
        ("   ", "is missing"),
        ("wide", "'wide' is not a number"),
        ("1_0", "'1_0' is not a number"),
        ("nan", "'nan' is not a number"),
        ("inf", "'inf' is not a number"),
        ("٣", "'٣' is not a number"),
        ("x" * 500, f"'{'x' * 40}…' is not a number"),
        ("51", "51 is out of range (0.05 to 20.0 cm)"),
        ("1e999", "1e999 is out of range (0.05 to 20.0 cm)"),
        ("0", "0 is out of range (0.05 to 20.0 cm)"),
        ("-0.2", "-0.2 is out of range (0.05 to 20.0 cm)"),
    ],
)
def test_bad_number(cell: str, said: str) -> None:
    """A cell that holds no measure is named by row and column."""
    with pytest.raises(DataFault) as fault:
        read_csv(spoiled(7, "petal_width", cell), "flowers.csv")
    assert fault.value.message.splitlines() == [
        "flowers.csv has 1 fault (row 1 is the header):",
        f"  row 7, column petal_width: {said}",
    ]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "is missing"),
        ("tulip", "'tulip' is none of setosa, versicolor, virginica"),
        ("Setosa", "'Setosa' is none of setosa, versicolor, virginica"),
    ],
)
def test_bad_label(cell: str, said: str) -> None:
    """A label that nobody knows is named by row and column."""
    with pytest.raises(DataFault, match=rf"row 2, column species: {said}"):
        read_csv(spoiled(2, "species", cell), "flowers.csv")


def test_every_fault_is_told() -> None:
    """Whoever mends a file sees all its faults at once, and no more."""
    content = lines()
    content[3] = "5.1,many,1.4,0.2,setosa"
    content[5] = "5.1,3.5,1.4,setosa"
    content[9] = ",3.5,900,0.2,"
    with pytest.raises(DataFault) as fault:
        read_csv(csv(content), "flowers.csv")
    assert fault.value.message.splitlines() == [
        "flowers.csv has 5 faults (row 1 is the header):",
        "  row 4, column sepal_width: 'many' is not a number",
        "  row 6: has 4 cells where the header has 5",
        "  row 10, column sepal_length: is missing",
        "  row 10, column petal_length: 900 is out of range (0.05 to 20.0 cm)",
        "  row 10, column species: is missing",
    ]


def test_header_faults() -> None:
    """A header with doubled, unknown and missing columns is told with all three."""
    header = "sepal_length,sepal_length,petal_length,colour,species"
    with pytest.raises(DataFault) as fault:
        read_csv(csv([header, *lines()[1:]]), "flowers.csv")
    assert fault.value.message.splitlines()[1:] == [
        "  row 1, column sepal_length: stands 2 times in the header",
        "  row 1, column colour: there is no such column",
        "  row 1, column sepal_width: is missing in the header",
        "  row 1, column petal_width: is missing in the header",
    ]


def test_too_few_rows_of_a_class() -> None:
    """A class with hardly any rows is refused: nothing could be said about it."""
    content = [line for line in lines() if "virginica" not in line] + ["6.3,3.3,6.0,2.5,virginica"]
    with pytest.raises(DataFault, match="column species: 1 rows of virginica, and at least 15"):
        read_csv(csv(content), "flowers.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "flowers.csv is empty"),
        (b"\n\n", "flowers.csv is empty"),
        (HEADER.encode() + b"\n5.1,3.5,1.4,0.2,\xff\n", "flowers.csv is not UTF-8: see row 2"),
        (b"\x80\x05\x95", "flowers.csv is not UTF-8: see row 1"),
        (HEADER.encode() + b'\n"5.1', "flowers.csv is no CSV: row 2"),
        (HEADER.encode(), "has 3 faults"),
    ],
)
def test_no_table_at_all(content: bytes, said: str) -> None:
    """What is no table is refused in words."""
    with pytest.raises(DataFault, match=said):
        read_csv(content, "flowers.csv")


def test_missing_file(tmp_path: Path) -> None:
    """A path that leads nowhere is refused in words."""
    with pytest.raises(DataFault, match=r"none.csv can't be read: No such file"):
        load_table(tmp_path / "none.csv")


def test_one_sided_class(tmp_path: Path) -> None:
    """A class that lies wholly on one side of the split is refused."""
    content = [line for line in lines() if "setosa" not in line] + ["5.1,3.5,1.4,0.2,setosa"] * 20
    path = tmp_path / "flowers.csv"
    path.write_bytes(csv(content))
    with pytest.raises(DataFault, match=r"of setosa, (0|20) rows would be trained on"):
        load_table(path)


def test_order_and_form_mean_nothing(tmp_path: Path) -> None:
    """The same flowers are the same data, however rows and columns are arranged and written."""
    swapped = [",".join(reversed(line.split(","))) for line in lines()]
    content = [swapped[0], "", *reversed(swapped[1:])]
    path = tmp_path / "flowers.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(content).replace("5.0,", " 5,").encode())
    assert load_table(path).sha256 == load_table(None).sha256


def test_the_header_that_scikit_learn_writes_is_understood() -> None:
    """Columns may be called as scikit-learn calls them; they are the same data."""
    header, *body = lines()
    theirs = "Sepal length (cm),sepal width (cm), petal length (cm),petal width(cm),species"
    assert read_csv(csv([theirs, *body]), "").sha256 == read_csv(csv([header, *body]), "").sha256


def test_a_column_in_another_unit_is_refused() -> None:
    """Millimetres are never taken for centimetres."""
    header, *body = lines()
    header = header.replace("petal_width", "petal width (mm)")
    with pytest.raises(DataFault, match=r"column petal_width_\(mm\): there is no such column"):
        read_csv(csv([header, *body]), "flowers.csv")
