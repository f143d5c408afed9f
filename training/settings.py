"""The variables that training reads."""

from artifacts.settings import HomeSettings


class TrainingSettings(HomeSettings, frozen=True, kw_only=True):
    """Where the store is, and where MLflow."""

    mlflow_tracking_uri: str = ""
    """MLflow's tracking server or database. Empty: SQLite, the file `mlflow.db` in `IRIS_HOME`."""

    @property
    def tracking_uri(self) -> str:
        """The address of MLflow."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow.db'}"
