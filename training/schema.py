"""What a table of flowers must hold: its columns, and what may stand in them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A measured column. Outside the limits stands no flower but a slip of the pen or the unit."""

    name: str
    unit: str
    minimum: float
    maximum: float


FEATURES = (
    Column("sepal_length", "cm", 0.05, 20.0),
    Column("sepal_width", "cm", 0.05, 20.0),
    Column("petal_length", "cm", 0.05, 20.0),
    Column("petal_width", "cm", 0.05, 20.0),
)
LABEL_COLUMN = "species"
LABELS = ("setosa", "versicolor", "virginica")


def column_name(written: str) -> str:
    """Return a column's name in our form: scikit-learn's own is "sepal length (cm)".

    Another unit stays in the name, which is then none of ours.
    """
    return written.strip().lower().removesuffix("(cm)").rstrip().replace(" ", "_")
