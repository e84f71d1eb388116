"""What an experiment shows before it is trained."""

from collections.abc import Mapping, Sequence
from typing import Any

from diagnosis.causes import FINDINGS
from diagnosis.report import Finding
from diagnosis.run.setup import Setup


def findings(spec: Mapping[str, Any], facts: Mapping[str, Any]) -> Sequence[Finding]:
    """`spec` is an experiment with all its defaults, `facts` its dataset's; errors come first."""
    setup = Setup(spec, facts)
    found = [finding for look in FINDINGS for finding in look(setup)]
    return sorted(found, key=lambda finding: finding.level)
