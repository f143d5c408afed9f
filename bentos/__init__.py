"""The Bento: the inference service as BentoML builds and serves it; it wires `serving` to it."""

import os

# BentoML reports its use to its makers unless told not to, and asks this once, early.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
