"""A proof in sentences: every number in them is that of a run."""

from collections.abc import Sequence

from diagnosis.proof.judgement import Judgement, Report
from diagnosis.proof.trial import Trial

# Of those that held beside the best, and of rivals: more would be a table.
_MOST = 2
# Causes whose rivals are worth a word.
_STANDS = ("proven", "questioned", "contributes")


def shown(value: float | None, metric: str) -> str:
    """As people write a result."""
    if value is None:
        return "no number"
    return f"{100 * value:.1f} %" if metric == "accuracy" else f"R2 {value:.2f}"


def sentence(report: Report, trials: Sequence[Trial], epochs: int) -> str:
    """What the proof came to. `epochs` are those of the run itself."""
    by_code = {judgement.trial: judgement for judgement in report.judgements}
    best = by_code.get(report.best or "")
    if best is None:
        return _unproven(report)
    whole = {trial.code: trial for trial in trials}
    rest = [by_code[code] for code in report.held if code != report.best]
    single = [each for each in rest if len(whole[each.trial].changes) == 1]
    causes = [code for code, came in report.causes.items() if came in _STANDS]
    rivals = [
        by_code[trial.code]
        for trial in trials
        if set(trial.rival_of) & set(causes) and by_code[trial.code].outcome == "failed"
    ]
    several = len(whole[best.trial].changes) > 1
    reach = "together reach" if several else "reaches"
    parts = [f"{best.title} {reach} {_reached(best, report)} {_with(best, epochs)}"]
    parts += [f"{each.title} {_also(each, report, epochs)}" for each in single[:_MOST]]
    parts += [f"{each.title} {_no_help(each, report)}" for each in rivals[:_MOST]]
    if several:
        parts.insert(0, "no single change is enough")
    return _sentence("; ".join(parts))


def _unproven(report: Report) -> str:
    masks = [by for by in report.judgements if by.trial in report.held and by.mask]
    if masks:
        first = masks[0]
        return _sentence(f"{first.title} reaches {_reached(first, report)}, but masks the cause")
    ran = [each for each in report.judgements if each.outcome != "not_run"]
    if not ran:
        return "No repair was run to its end."
    top = max(ran, key=lambda each: each.gain or 0.0)
    many = "the one change" if len(ran) == 1 else f"none of the {len(ran)} changes"
    did = "does not repair it" if len(ran) == 1 else "repairs it"
    best = f"{top.title} reaches {_reached(top, report)}"
    were = "was" if len(ran) == 1 else "were"
    return _sentence(f"{many} that {were} tried {did}: {best}")


def _also(judgement: Judgement, report: Report, epochs: int) -> str:
    reaches = f"reaches {_reached(judgement, report)}"
    longer = f" {_with(judgement, epochs)}" if judgement.epochs != epochs else ""
    if judgement.mask:
        return f"{reaches}{longer}, but masks the cause"
    as_well = " as well" if judgement.trial in report.ties else ""
    return f"{reaches}{longer}{as_well}"


def _no_help(judgement: Judgement, report: Report) -> str:
    gained = (judgement.gain or 0.0) > (judgement.noise or 0.0)
    verdict = "is not enough" if gained else "does not help"
    return f"{verdict} ({_reached(judgement, report)})"


def _reached(judgement: Judgement, report: Report) -> str:
    return shown(judgement.value, report.metric)


def _with(judgement: Judgement, epochs: int) -> str:
    if judgement.epochs == epochs:
        return "with everything else unchanged"
    return f"with {judgement.epochs} epochs instead of {epochs}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
