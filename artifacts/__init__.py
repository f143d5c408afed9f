"""The model file, the blob stores and the settings: what every other part stands on.

No MLflow, no scikit-learn and no web framework is imported here, so that the init container,
which has to fetch one file and no more, can hold this package and little else.
"""
