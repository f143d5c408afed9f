"""Tables as pandas knows them, so that estimators and MLflow know the columns by name."""

import pandas as pd

from training.evaluation import Table


def to_frame(table: Table) -> pd.DataFrame:
    """Return the features as a data frame."""
    return pd.DataFrame(table.rows, columns=table.features)
