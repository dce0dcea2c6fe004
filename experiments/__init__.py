"""One file per claim, each run as `python -m experiments.<name>`."""

import os

# Loading a kept program prints an error for every tuning hint that is no processor feature (prefer-no-gather): noise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
