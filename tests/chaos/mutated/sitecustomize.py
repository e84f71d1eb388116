"""Python imports this first of all where it is on the path: breaks the service before it starts.

CHAOS_MUTATION names one of `tests.chaos.mutations`.
"""

import os

from tests.chaos import breakage

breakage.BREAKAGES[os.environ["CHAOS_MUTATION"]]()
