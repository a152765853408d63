"""Settings of all tests."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

# Matrix products on one thread, as the command sets it; this must precede NumPy's import.
for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Compiled code is kept between runs of the tests, and the user's own cache is left alone.
os.environ["CHARRNN_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / "charrnn")

# A busy machine is no reason to fail.
settings.register_profile("charrnn", deadline=None, max_examples=50)
settings.load_profile("charrnn")
